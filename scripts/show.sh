#!/usr/bin/env bash
# Runs a show and prints its figure once more as the last line, behind the summary of the test runner. Figures are lines
# that begin with `figure: `. Fails as the command does, and where it told no figure.
set -euo pipefail
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT
"$@" | tee "$lines"
grep '^figure: ' "$lines" | tail -n 1 | cut -d ' ' -f 2-
