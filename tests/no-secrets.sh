#!/usr/bin/env bash
# Usage: no-secrets.sh COMMAND…
# Runs the command and looks through all that it prints for the one word that every password and token of the tests
# holds, as it is and in base64. Ends as the command does, or with 1 where that ended well and a secret was printed.
set -uo pipefail

word=hunter2

# Usage: encoded BEFORE COLUMNS
# What base64 makes of the word after some text: those characters that hold nothing of what stands beside the word.
encoded() {
    printf '%s' "$1$word" | base64 | cut -c "$2"
}

needles=("$word" "$(encoded '' 1-9)" "$(encoded x 3-10)" "$(encoded xx 4-12)")
printed=$(mktemp)
trap 'rm -f "$printed"' EXIT

# A pipe is no terminal, but behind this one there may be one.
if [[ -t 1 ]]; then export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-always}; fi
# -i: what the command says after Ctrl-C is to be seen too.
"$@" 2>&1 | tee -i "$printed"
code=${PIPESTATUS[0]}

if found=$(grep -anF -e "$(printf '%s\n' "${needles[@]}")" "$printed" | head -n 20 | cut -c -300); [[ $found ]]; then
    for needle in "${needles[@]}"; do found=${found//"$needle"/[SECRET]}; done
    printf 'A secret was printed, in these lines:\n%s\n' "$found" >&2
    ((code)) || code=1
fi
exit "$code"
