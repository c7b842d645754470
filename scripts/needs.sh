#!/usr/bin/env bash
# Sees to it that what a target needs is there. Installs from Debian's packages where that is possible without asking
# (root on Debian); elsewhere says the exact command and stops before anything is half done.
#   scripts/needs.sh run     a C compiler, Node 20 and npm
#   scripts/needs.sh test    the same, cargo-nextest and Chromium
set -euo pipefail

what=${1:?run or test}
packages=()

has() { command -v "$1" >/dev/null 2>&1; }
want() { has "$1" || packages+=("$2"); }

if ! has cargo; then
    echo "needs: Rust is missing. Install it with: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2
    exit 1
fi
want cc build-essential
want make make
if ! has node || [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
    packages+=(nodejs npm)
fi
if [ "$what" = test ] && [ -z "${CHROMIUM:-}" ]; then
    want chromium chromium
fi

if [ ${#packages[@]} -gt 0 ]; then
    install="apt-get install -y --no-install-recommends ${packages[*]}"
    if [ "$(id -u)" -eq 0 ] && has apt-get; then
        echo "needs: installing ${packages[*]}" >&2
        apt-get update -q >/dev/null
        DEBIAN_FRONTEND=noninteractive $install >/dev/null
    else
        echo "needs: ${packages[*]} missing. Install with: sudo $install" >&2
        exit 1
    fi
fi

if [ "$what" = test ] && ! cargo nextest --version >/dev/null 2>&1; then
    echo "needs: installing cargo-nextest" >&2
    cargo install cargo-nextest --locked --quiet
fi
