# shellcheck shell=bash
# What is started and ended. Sourced by demo.sh and e2e.sh, which set $dir (their folder) and $keep.

pids=()

# Usage: start NAME COMMAND…
# Its output goes to $dir/NAME.out and $dir/NAME.log.
start() {
    local name=$1
    shift
    : >"$dir/$name.out" # the reader may be faster
    if [[ $keep ]]; then
        # Apart from the terminal, or the end of that would be its end too.
        setsid "$@" <"$dir/lifeline" >"$dir/$name.out" 2>"$dir/$name.log" 9>&- &
    else
        "$@" <"$dir/lifeline" >"$dir/$name.out" 2>"$dir/$name.log" 9>&- &
    fi
    pids+=("$!")
}

# Usage: first_line NAME SECONDS
# Waits for the line that NAME prints when it is ready.
first_line() {
    local name=$1 seconds=$2 pid=${pids[-1]} line=""
    for ((tries = 0; tries < seconds * 10; tries++)); do
        if IFS= read -r line <"$dir/$name.out"; then
            printf '%s\n' "$line"
            return
        fi
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    echo "$name did not get ready; its log ends with:" >&2
    tail -n 20 "$dir/$name.log" >&2
    return 1
}

# Usage: field NAME <JSON
# For one line of JSON without escapes, which is no reason to need jq.
field() {
    sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

end_processes() {
    # The control plane last: the operator says goodbye to it.
    for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
        kill "${pids[i]}" 2>/dev/null || continue
        wait "${pids[i]}" 2>/dev/null || true
    done
    pids=()
}
