# shellcheck shell=bash
# What a check prints. Sourced by those that say line by line what holds, and set $dir (their folder).

# Usage: passes WHAT COMMAND…
passes() {
    local what=$1
    shift
    : "${dir:?is set by who sources this}"
    if "$@" >"$dir/out" 2>&1; then
        echo "ok    $what"
    else
        echo "FAILS $what"
        cat "$dir/out"
        return 1
    fi
}
