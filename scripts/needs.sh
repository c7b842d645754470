#!/usr/bin/env bash
# Sees to it that what a target needs is there. Installs from Debian's packages where that is possible without asking
# (root on Debian); elsewhere says the exact command and stops before anything is half done.
#   scripts/needs.sh run       a C compiler, Node 20.19 or newer, and npm
#   scripts/needs.sh cluster   the same, Redis, PostgreSQL and nginx
#   scripts/needs.sh compare   what run needs, and the peers from npm: Bun, which shows are measured beside, and Socket.IO
#   scripts/needs.sh peers     what compare needs, NATS, and nginx with Nchan
#   scripts/needs.sh test      the same, PgBouncer, openssl, iproute2, Chromium and cargo-nextest
# Only the programs are wanted: tests and `make cluster` start private processes of their own. A service that comes with
# a package is neither started nor left to start with the machine; services that were there before stay as they are.
set -euo pipefail

what=${1:?run, cluster, compare, peers or test}
packages=()
services=()

say() { echo "needs: $*" >&2; }
# Servers lie where only the PATH of root looks.
has() { PATH=$PATH:/usr/sbin:/sbin command -v "$1" >/dev/null 2>&1; }
want() { has "$1" || packages+=("$2"); }
# A program whose package brings a service along.
want_server() { has "$1" || { packages+=("$2") && services+=("$2"); }; }

if ! has cargo; then
    say "Rust is missing. Install it with: curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
    exit 1
fi
want cc build-essential
want make make
# What Vite asks for. Debian 12 has an older one.
node_is_new() {
    node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit(major > 22 || (major === 22 && minor >= 12) || (major === 20 && minor >= 19) ? 0 : 1)'
}
demand_new_node() {
    node_is_new && return
    say "Node $(node --version) is too old for the pages: they need 20.19 or newer of the 20s, 22.12 or newer of the 22s, or later."
    say "Install Node 22 from https://github.com/nodesource/distributions, or by nvm (https://github.com/nvm-sh/nvm): nvm install 22"
    exit 1
}
# One that is there is not replaced: Debian's may be no newer.
! has node || demand_new_node
want node nodejs
want npm npm
if [ "$what" = cluster ] || [ "$what" = test ]; then
    want_server redis-server redis-server
    want redis-cli redis-tools
    # Debian keeps the server's programs in a folder per version.
    if ! has initdb && ! compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null; then
        packages+=(postgresql)
        services+=(postgresql)
    fi
    want psql postgresql-client
    want_server nginx nginx
fi
if [ "$what" = peers ]; then
    want_server nats-server nats-server
    want_server nginx nginx
    compgen -G '/usr/lib*/nginx/modules/ngx_nchan_module.so' >/dev/null || packages+=(libnginx-mod-nchan)
fi
if [ "$what" = test ]; then
    want_server pgbouncer pgbouncer
    want openssl openssl
    want ip iproute2
    if [ -z "${CHROMIUM:-}" ]; then
        want chromium chromium
    fi
fi

# Debian asks this program before a package starts its service. One that is there already decides by itself.
policy=/usr/sbin/policy-rc.d

# While packages are installed no service is started.
hold_services() {
    [ ! -e "$policy" ] || return 0
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
}

# And none of them starts with the machine.
disable_services() {
    local service
    for service in "${services[@]}"; do
        if has systemctl; then
            systemctl disable --quiet "$service" 2>/dev/null || say "could not disable $service: look at systemctl status $service"
        elif has update-rc.d; then
            update-rc.d "$service" disable >/dev/null 2>&1 || say "could not disable $service: look at /etc/rc*.d"
        fi
    done
}

install_packages() {
    say "installing ${packages[*]}"
    apt-get update -q >/dev/null
    [ ${#services[@]} -eq 0 ] || hold_services
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}" >/dev/null
    if [ ${#services[@]} -gt 0 ]; then
        disable_services
        say "neither started nor left to start with the machine: ${services[*]}"
    fi
}

if [ ${#packages[@]} -gt 0 ]; then
    if [ "$(id -u)" -eq 0 ] && has apt-get; then
        install_packages
    else
        say "${packages[*]} missing. Install with: sudo apt-get install -y --no-install-recommends ${packages[*]}"
        [ ${#services[@]} -eq 0 ] ||
            say "their services are not needed; switch them off with: sudo systemctl disable --now ${services[*]}"
        exit 1
    fi
fi

# What Debian brought may be too old.
demand_new_node

if [ "$what" = test ] && ! cargo nextest --version >/dev/null 2>&1; then
    say "installing cargo-nextest"
    cargo install cargo-nextest --locked --quiet
fi

# Without the scripts of packages: the program lies in the package for this machine.
peers=$(dirname "$0")/../loadtest/peers
if { [ "$what" = compare ] || [ "$what" = peers ]; } && [ "$peers/package-lock.json" -nt "$peers/node_modules/.package-lock.json" ]; then
    say "installing the peers of loadtest/peers/package.json"
    npm --prefix "$peers" ci --ignore-scripts --no-audit --no-fund --loglevel error
    touch "$peers/node_modules/.package-lock.json"
fi
