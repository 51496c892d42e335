# shellcheck shell=bash
# What is done with the operator, and what is asked of it. Sourced by e2e.sh.

settings=(--set "image.repository=localhost/bitbucket-connector,image.pullPolicy=Never")

install() {
    helm install bitbucket-connector "$chart" -n "$namespace" "${settings[@]}"
}

# Usage: upgrade [FLAGS]
upgrade() {
    helm upgrade bitbucket-connector "$chart" -n "$namespace" "${settings[@]}" --wait --timeout 90s "$@"
}

# The examples as a user would edit them.
connect() {
    sed -e "s|https://bitbucket.example.com|http://bitbucket.servers.svc:7990|" -e "s|YOUR_USERNAME|reader|" -e "s|YOUR_PASSWORD|hunter2|" \
        "$root"/examples/secret.yaml <(echo ---) "$root"/examples/connection.yaml | kubectl apply -n "$namespace" -f - >/dev/null
    requested=""
}

sync_again() {
    requested=$(date +%s%N)
    kubectl annotate bbc bitbucket -n "$namespace" "bitbucket-connector.dev/requestedAt=$requested" --overwrite >/dev/null
}

kept_away() {
    kubectl get pods -n "$namespace" -o jsonpath='{.items[*].status.conditions[*].message}' | grep "ReadWriteOncePod access mode already in-use"
}

# Usage: status JSONPATH
status() {
    kubectl get bbc bitbucket -n "$namespace" -o jsonpath="{.status$1}"
}

is_synced() {
    local now
    now=$(status '.conditions[?(@.type=="Ready")].reason} {.status.conditions[?(@.type=="Synced")].status} {.status.progress')
    echo "$now"
    [[ $now == "Synced True " ]]
}

# Since sync_again.
is_synced_again() {
    [[ $(status .lastHandledReconcileAt) == "$requested" ]] && is_synced
}

in_operator() {
    kubectl exec -n "$namespace" deployment/bitbucket-connector -- /bitbucket-connector "$@"
}

# What the kernel says of the operator's process: who it is, and what it may not.
confined() {
    # shellcheck disable=SC2016 # for the shell inside
    nsenter --target "$node" --mount --pid -- sh -euc '
        for one in /proc/[0-9]*; do
            [ "$(tr "\0" " " <"$one/cmdline" | cut -d " " -f 1,2)" = "/bitbucket-connector run" ] || continue
            cat "$one/status"
            grep -q "^Uid:.65532.65532.65532.65532$" "$one/status"
            grep -q "^Cap[A-Z][a-z]*:.*[1-9a-f]" "$one/status" && exit 1
            grep -q "^NoNewPrivs:.1$" "$one/status"
            grep -q "^Seccomp:.2$" "$one/status"
            grep "^[0-9]* [0-9]* [0-9:]* / / ro," "$one/mountinfo"
            exit
        done
        echo "there is no such process"
        exit 1'
}

rows_are_gits() {
    local slug
    for slug in odd long; do
        in_operator query --output csv "SELECT c.sha FROM bitbucket_server_repository_default_branch_commits c
            JOIN bitbucket_server_repositories r ON r.id = c.repository_id WHERE r.slug = '$slug'" | tail -n +2 | sort >"$dir/stored"
        git -C "$dir/git/$slug" rev-list HEAD | sort >"$dir/expected"
        [[ -s $dir/expected ]] && cmp "$dir/stored" "$dir/expected" || return 1
    done
}

# The simulator's control door answers to its own machine alone: the port is forwarded from there.
door() {
    on_node curl --silent --show-error --fail "http://127.0.0.1:7990/_simulator/$1" "${@:2}"
}

# Usage: hold_after PAGES
# Whoever asks for further pages of the long repository waits.
hold_after() {
    door requests --request DELETE >/dev/null
    door fault --data "{\"matches\": {\"all\": [{\"repository\": \"PLAT/long\"}, {\"pathEndsWith\": \"/commits\"}]},
        \"after\": $1, \"action\": {\"hold\": \"pages\"}}" >/dev/null
}

page_41_is_asked_for() {
    door "wait?path=/repos/long/commits&count=41&timeoutMs=60000" | grep -q true
}

let_go() {
    door release --data '{"hold": "pages"}' >/dev/null
    door faults --request DELETE >/dev/null
}

# Usage: pages_at_most COUNT
# The long repository has 50 pages. Who read them twice would have asked 90 times.
pages_at_most() {
    local count
    count=$(door requests | grep -o '/repos/long/commits"' | wc -l)
    echo "$count requests"
    ((count >= 50 && count <= $1))
}
