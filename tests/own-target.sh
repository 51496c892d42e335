#!/usr/bin/env bash
# Makes cargo compile this checkout's own crates anew where another checkout compiled them last.
#
# Checkouts share one target directory, and to cargo their crates are the same: it compares times only, so that a
# checkout whose files are older than what another one has built would run the other's code.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=${CARGO_TARGET_DIR:-target}
checkout=$(pwd -P)
mark=$target/checkout
if [[ ! -f $mark ]] || [[ $(<"$mark") != "$checkout" ]]; then
    find src tests -name '*.rs' -exec touch {} +
    mkdir -p "$target"
    printf '%s\n' "$checkout" >"$mark"
fi
