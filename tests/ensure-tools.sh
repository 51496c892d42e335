#!/usr/bin/env bash
# Usage: ensure-tools.sh [node]
# Installs what building and testing needs and this machine lacks: on Debian as root; elsewhere it says what to install.
# Every target of the Makefile begins with this, so it is quick and silent when nothing is missing. With "node", also what
# `make e2e` needs.
set -euo pipefail

for_what=${1:-}
# Where rustup and Go put themselves, for who has just installed them.
export PATH=$PATH:$HOME/.cargo/bin:/usr/local/go/bin
cache=${XDG_CACHE_HOME:-$HOME/.cache}/bitbucket-connector
prometheus=$cache/prometheus
cd "$(dirname "${BASH_SOURCE[0]}")/.."
go_needed=$(sed -n 's/^go //p' tests/cluster/go.mod)
rust_needed=$(sed -n 's/^channel = "\(.*\)"/\1/p' rust-toolchain.toml)

have() {
    command -v "$1" >/dev/null
}

# From 1.21 on, go fetches the version that a go.mod names.
have_go() {
    have go && [[ $(go env GOVERSION) =~ ^go1\.([0-9]+) ]] && ((BASH_REMATCH[1] >= 21))
}

# Debian keeps the server's programs off the PATH. A client alone is not enough.
have_postgres() {
    { have initdb && have postgres; } || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null
}

have_rust() {
    have cargo && have rustc && { ! have rustup || rustup toolchain list | grep -q "^$rust_needed"; } &&
        [[ $(rustc --version) == "rustc $rust_needed "* ]] && cargo clippy --version &>/dev/null &&
        cargo fmt --version &>/dev/null
}

# On the PATH, or where the next function puts it.
have_prometheus() {
    { have prometheus && have promtool; } || [[ -x $prometheus/promtool ]]
}

# Debian's package is a service of the whole machine: only its programs are taken.
install_prometheus() {
    have_prometheus && return
    { have apt-get && have dpkg; } ||
        say_and_fail "Missing: prometheus and promtool. Install them, https://prometheus.io/download/"
    echo "== unpacking Prometheus, for the tests of alerts"
    dir=$(mktemp -d)
    trap 'rm -rf "$dir"' EXIT
    download_prometheus "$dir" || { apt-get update -qq && download_prometheus "$dir"; } ||
        say_and_fail "Debian's package prometheus cannot be downloaded"
    dpkg --extract "$dir"/prometheus_*.deb "$dir/package"
    mkdir -p "$prometheus"
    mv "$dir"/package/usr/bin/{prometheus,promtool} "$prometheus"
}

download_prometheus() {
    (cd "$1" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download prometheus)
}

# It calls the Data Cloud API by its description. Kept under a name that changes with what is asked for.
install_schemathesis() {
    local environment
    environment=$cache/schemathesis-$(sha256sum tests/openapi/requirements.txt | cut -c1-12)
    [[ -x $environment/bin/schemathesis ]] && return
    echo "== installing schemathesis, for the tests of the Data Cloud API"
    # Made elsewhere first: what was interrupted is not taken for whole. Its scripts hold its path, so it is moved by a link.
    rm -rf "$environment" "$environment".*
    local made
    made=$(mktemp -d "$environment.XXXXXX")
    if ! python3 -m venv "$made" ||
        ! "$made/bin/pip" install --quiet --disable-pip-version-check -r tests/openapi/requirements.txt; then
        say_and_fail "schemathesis cannot be installed from PyPI"
    fi
    ln -s "$made" "$environment"
}

# It looks for what people cannot use who see, hear or point otherwise (https://github.com/dequelabs/axe-core).
install_axe() {
    local version=4.14.1
    local axe=$cache/axe-core-$version
    [[ -f $axe/axe.min.js ]] && return
    echo "== fetching axe-core, for the tests of the page"
    local dir
    dir=$(mktemp -d)
    (cd "$dir" && npm pack --silent "axe-core@$version" >/dev/null && tar -xzf "axe-core-$version.tgz" package/axe.min.js) ||
        say_and_fail "axe-core cannot be fetched from the npm registry"
    mkdir -p "$axe"
    mv "$dir/package/axe.min.js" "$axe"
    rm -rf "$dir"
}

packages() {
    have git || echo git
    have make || echo make
    have cc || printf '%s\n' gcc libc6-dev
    have curl || have_rust || printf '%s\n' curl ca-certificates
    { have curl || ! have_rust; } || echo curl
    have openssl || echo openssl
    have shellcheck || echo shellcheck
    have script || echo bsdutils
    have_postgres || echo postgresql
    have strace || echo strace
    have faketime || echo faketime
    have chromium || echo chromium
    have chromedriver || echo chromium-driver
    have npm || echo npm
    have_go || echo golang-go
    python3 -c 'import ensurepip' &>/dev/null || printf '%s\n' python3 python3-venv
    [[ $for_what != node ]] || node_packages
}

node_packages() {
    have curl || echo curl
    have ip || echo iproute2
    have iptables || echo iptables
    have runc || echo runc
    have buildah || echo buildah
    # Where Debian has them; another place would not be found.
    [[ -x /usr/lib/cni/bridge ]] || echo containernetworking-plugins
    [[ -e /etc/ssl/certs/ca-certificates.crt ]] || echo ca-certificates
}

say_and_fail() {
    echo "$1" >&2
    exit 1
}

install_packages() {
    local missing
    mapfile -t missing < <(packages)
    ((${#missing[@]})) || return 0
    if ! have apt-get || ((EUID != 0)); then
        say_and_fail "Missing: ${missing[*]} (names of Debian's packages; Go must be 1.21 or newer, https://go.dev/dl/). Install them, or run this as root on Debian."
    fi
    echo "== installing ${missing[*]}"
    have_postgres || without_a_cluster
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
    have_go || install_go_from_backports
}

# Debian's package would make a database of the whole machine and start its server. The tests start their own.
without_a_cluster() {
    mkdir -p /etc/postgresql-common/createcluster.d
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/bitbucket-connector-tests.conf
}

# Debian 12 itself has Go 1.19. The machine's own list of sources is left as it is.
install_go_from_backports() {
    local codename list apt
    codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
    list=$(mktemp)
    apt=(apt-get -qq -o Dir::Etc::sourcelist="$list" -o APT::Get::List-Cleanup=0)
    echo "== installing Go from $codename-backports"
    cat /etc/apt/sources.list >"$list" 2>/dev/null || true
    echo "deb http://deb.debian.org/debian $codename-backports main" >>"$list"
    "${apt[@]}" update || true
    DEBIAN_FRONTEND=noninteractive "${apt[@]}" install --yes --no-install-recommends -t "$codename-backports" golang-go >/dev/null || true
    rm -f "$list"
    have_go || say_and_fail "Go 1.21 or newer is needed (tests/cluster needs $go_needed, which it then fetches): https://go.dev/dl/"
}

install_rust() {
    have_rust && return
    if ! have rustup; then
        echo "== installing rustup, for Rust $rust_needed"
        curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y -q --no-modify-path --default-toolchain none ||
            say_and_fail "Rust $rust_needed with clippy and rustfmt is needed: https://rustup.rs"
        hash -r
    fi
    echo "== installing Rust $rust_needed"
    rustup toolchain install "$rust_needed" --profile minimal --component clippy,rustfmt
    have_rust || say_and_fail "Rust $rust_needed with clippy and rustfmt is needed: rustup toolchain install $rust_needed -c clippy,rustfmt"
}

install_packages
install_prometheus
install_schemathesis
install_axe
install_rust
