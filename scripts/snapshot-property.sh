#!/usr/bin/env bash
# Holds the property of rooms over sequences on both stores, then the model of the SDK to cases that they made, and prints both
# figures as the last line. Fails as soon as one of them does.
#   scripts/snapshot-property.sh <sequences>
set -euo pipefail
sequences=$1
cd "$(dirname "$0")/.."
kept=$(mktemp -d)
trap 'rm -rf "$kept"' EXIT
HUBBUB_ROOM_SEQUENCES=$sequences HUBBUB_ROOM_CASES=$kept/cases.jsonl scripts/show.sh \
    cargo test --release -p hubbub --test rooms_property -- --nocapture | tee "$kept/rust"
HUBBUB_ROOM_CASES=$kept/cases.jsonl scripts/passed.sh "SDK cases" \
    npm --prefix clients test --workspace @hubbub/client -- --test-name-pattern='^line ' | tee "$kept/sdk" | tail -n 1
echo "$(tail -n 1 "$kept/rust"); $(tail -n 1 "$kept/sdk")"
