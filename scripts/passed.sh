#!/usr/bin/env bash
# Runs tests of Node and prints how they ended once more as the last line. Fails as they do, and where none ran.
#   scripts/passed.sh <name of the show> <command…>
set -euo pipefail
name=$1
shift
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
"$@" | tee "$lines"
count() { sed 's/\x1b\[[0-9;]*m//g' "$lines" | awk -v word="$1" '$2 == word && $1 !~ /[0-9]/ {sum += $3} END {print sum + 0}'; }
passed=$(count pass)
failed=$(count fail)
echo "$name: $passed passed, $failed failed"
[ "$passed" -gt 0 ] && [ "$failed" -eq 0 ]
