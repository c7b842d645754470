#!/usr/bin/env bash
# What a newcomer does, as a test: clones the committed tree, types `make run`, chats between two pages of a real
# browser and sees the dashboard move. Prints its figure last; pictures go to target/screenshots of this tree.
#   HUBBUB_LISTEN__PUBLIC, HUBBUB_LISTEN__INTERNAL   other addresses than 127.0.0.1:8080 and :8081
#   CARGO_TARGET_DIR                                 another target folder, e.g. a warm one (default: the clone's, cold)
#   FIRST_CHAT_LIMIT_S                               how long `make run` may take until the hub is ready (default 1200)
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
limit_s=${FIRST_CHAT_LIMIT_S:-1200}
work=$(mktemp -d)
log=$work/make-run.log
figures=$work/figures
hub=
tests=

say() { echo "first-chat: $*" >&2; }

fail() {
    if [ -s "$log" ]; then
        say "the last lines of make run:"
        tail -n 40 "$log" >&2
    fi
    say "$*"
    exit 1
}

# A process group of its own, so that all that a command starts can be ended by its number.
start() {
    set -m
    "$@" &
    set +m
}

end_group() {
    [ -n "$1" ] || return 0
    kill -TERM -- "-$1" 2>/dev/null || return 0
    for _ in $(seq 100); do
        kill -0 -- "-$1" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL -- "-$1" 2>/dev/null || true
}

clean_up() {
    status=$?
    trap - EXIT
    end_group "$tests"
    end_group "$hub"
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Not the make that may have called this: neither its flags nor its job server.
make_run() { exec env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -C "$work/hubbub" run >"$log" 2>&1; }

browser_tests() {
    export HUB_PUBLIC=$1 HUB_INTERNAL=$2 FIGURES=$figures SCREENSHOTS=$root/target/screenshots
    exec npm --prefix "$work/hubbub/clients" run --silent test:browser >&2
}

must_be_free() {
    local host=${1%:*} port=${1##*:}
    if (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null; then
        fail "something listens on $1 already; end it, or set HUBBUB_LISTEN__PUBLIC and HUBBUB_LISTEN__INTERNAL"
    fi
}

now_ms() { local us=${EPOCHREALTIME/[.,]/}; echo $((us / 1000)); }
figure() { awk -v name="$1" '$1 == name { print $2; found = 1 } END { exit !found }' "$figures"; }
# Milliseconds as seconds with one decimal.
seconds() { awk -v ms="$1" 'BEGIN { printf "%.1f", ms / 1000 }'; }

must_be_free "${HUBBUB_LISTEN__PUBLIC:-127.0.0.1:8080}"
must_be_free "${HUBBUB_LISTEN__INTERNAL:-127.0.0.1:8081}"
git -C "$root" rev-parse --verify --quiet HEAD >/dev/null || fail "$root is no git tree: there is nothing to clone"
[ -z "$(git -C "$root" status --porcelain)" ] || say "there are uncommitted changes: the clone does not have them"

touch "$log" "$figures"
start_ms=$(now_ms)
git clone --quiet "$root" "$work/hubbub"
start make_run
hub=$!
say "make run in a fresh clone of $(git -C "$work/hubbub" rev-parse --short HEAD), at most $limit_s s"

until grep -q '^ready public=' "$log"; do
    kill -0 "$hub" 2>/dev/null || fail "make run ended before the hub was ready"
    [ $(($(now_ms) - start_ms)) -lt $((limit_s * 1000)) ] || fail "the hub was not ready after $limit_s s"
    sleep 0.1
done
ready_ms=$(($(now_ms) - start_ms))
read -r _ public internal < <(grep -m 1 '^ready public=' "$log")
say "ready after $(seconds "$ready_ms") s: $public $internal"

start browser_tests "${public#public=}" "${internal#internal=}"
tests=$!
wait "$tests" || fail "the pages do not do what they should"
tests=
kill -0 "$hub" 2>/dev/null || fail "the hub ended while the pages were open"

message_ms=$(figure first_message_ms) || fail "no message was measured"
message_at=$(figure first_message_at) || fail "no message was measured"
figure dashboard_moved >/dev/null || fail "the dashboard did not move"
say "the first message was seen $(seconds $((message_at - start_ms))) s after the clone began"
say "pictures to look at: $root/target/screenshots"
end_group "$hub"
hub=
echo "first-chat: ready after $(seconds "$ready_ms") s, message seen by the other page after $message_ms ms, dashboard moved"
