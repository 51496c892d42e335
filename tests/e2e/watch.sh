# shellcheck shell=bash
# Whether two ever are at work. Sourced by e2e.sh.

# Usage: watch_pods
# Once. From here on, all that is heard of the operator's Pods is noted: when their container began, and when it ended.
watch_pods() {
    start pods nsenter --target "$node" --net -- "$bin/kubectl" get pods -n "$namespace" -l app.kubernetes.io/name=bitbucket-connector \
        --watch --output-watch-events -o jsonpath="{.object.metadata.name} {.object.status.containerStatuses[0].state.running.startedAt} {.object.status.containerStatuses[0].state.terminated.startedAt} {.object.status.containerStatuses[0].state.terminated.finishedAt}{'\n'}"
}

# Usage: one_at_a_time COUNT
# Of what was noted: so many Pods have run, and each began when the one before it had ended.
one_at_a_time() {
    awk -v expected="$1" '
        NF == 2 { began[$1] = $2 }
        NF == 3 { began[$1] = $2; ended[$1] = $3 }
        END {
            for (name in began) count++
            if (count != expected) { print count " Pods have run, not " expected; exit 1 }
            for (one in began) for (other in began) {
                if (one == other || began[one] > began[other]) continue
                if (!(one in ended) || ended[one] > began[other]) {
                    print one " ran until " ended[one] ", " other " from " began[other] " on"; exit 1
                }
            }
        }' "$dir/pods.out" || { cat "$dir/pods.out"; return 1; }
}

# Usage: leads ADDRESS
leads() {
    on_node curl --silent --max-time 1 "http://$1:8080/metrics" 2>/dev/null | grep -q '^bitbucket_connector_leader 1$'
}

# Usage: watch_leaders
# Asks all Pods again and again which of them leads, until $dir/enough is there. Notes how many did, and who.
watch_leaders() {
    local address leading
    while [[ ! -e $dir/enough ]]; do
        leading=()
        for address in $(kubectl get pods -n "$namespace" -l app.kubernetes.io/name=bitbucket-connector -o jsonpath='{.items[*].status.podIP}'); do
            if leads "$address"; then leading+=("$address"); fi
        done
        # They are asked one after the other, and the lead may have changed hands meanwhile: whoever led first is asked again.
        if ((${#leading[@]} > 1)); then
            leads "${leading[0]}" || leading=("${leading[@]:1}")
        fi
        echo "${#leading[@]} ${leading[*]}"
    done >"$dir/leaders"
}

# Usage: one_leader_at_a_time COUNT
# Of what was noted: never two, and so many different ones at least.
one_leader_at_a_time() {
    local most different
    most=$(cut -d' ' -f1 "$dir/leaders" | sort -rn | head -n 1)
    different=$(sed -n 's/^1 //p' "$dir/leaders" | sort -u | wc -l)
    if ((most != 1 || different < $1)); then
        echo "At most $most led at once, and $different have led. Each time they were asked, how many did, and who:"
        cat "$dir/leaders"
        return 1
    fi
}
