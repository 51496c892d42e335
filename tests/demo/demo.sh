#!/usr/bin/env bash
# Shows the operator at work on a real Kubernetes API server, and proves that what it stored is what git has.
# `make demo` builds what this needs and names it:
#   BITBUCKET_CONNECTOR, BITBUCKET_SIMULATOR, CLUSTER   the programs
#   REPOS                                               git repositories to serve beside this one; default: two made up
#   KEEP                                                not empty: leave everything running at the end
set -euo pipefail
# Bytes are sorted as bytes, and cut as what they are.
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
keep=${KEEP:-}
: "${BITBUCKET_CONNECTOR:?is set by make demo}" "${BITBUCKET_SIMULATOR:?is set by make demo}" "${CLUSTER:?is set by make demo}"
# shellcheck source=tests/demo/processes.sh
source "$root/tests/demo/processes.sh"
# shellcheck source=tests/demo/repositories.sh
source "$root/tests/demo/repositories.sh"
# shellcheck source=tests/demo/show.sh
source "$root/tests/demo/show.sh"

dir=$(mktemp -d "${TMPDIR:-/tmp}/bitbucket-connector-demo.XXXXXX")
database=$dir/commits.db
repositories=() # KEY/SLUG=FOLDER
finished=

step() {
    printf '\n== %s\n' "$*"
}

end() {
    local code=$?
    trap - EXIT
    if [[ $keep && $finished ]]; then
        print_how_to_look_around
    else
        end_processes
        rm -rf "$dir"
    fi
    exit "$code"
}
trap end EXIT
# What is started reads from this and ends when nobody is left who could write, even if this script was killed.
mkfifo "$dir/lifeline"
exec 9<>"$dir/lifeline"
trap 'exit 130' INT
trap 'exit 143' TERM HUP

start_cluster() {
    local ready
    # Always one of its own: the demo makes cluster-wide objects.
    start cluster env -u USE_EXISTING_CLUSTER "$CLUSTER" start --dir "$dir/cluster" ${keep:+--keep}
    ready=$(first_line cluster 120)
    KUBECONFIG=$(field kubeconfig <<<"$ready")
    bin=$(field bin <<<"$ready")
    export KUBECONFIG PATH=$bin:$PATH
    export HELM_CACHE_HOME=$dir/helm HELM_CONFIG_HOME=$dir/helm HELM_DATA_HOME=$dir/helm
    printf '  Kubernetes %s at %s\n' "$(kubectl version -o yaml | sed -n 's/^  gitVersion: //p' | tail -n 1)" \
        "$(field server <<<"$ready")"
}

start_simulator() {
    local arguments=() one
    for one in "${repositories[@]}"; do arguments+=(--repository "$one"); done
    [[ $keep ]] || arguments+=(--exit-on-stdin-eof)
    # As far away as a real one often is, so that progress can be seen.
    [[ ${REPOS:-} ]] || arguments+=(--latency 250)
    start simulator "$BITBUCKET_SIMULATOR" --listen 127.0.0.1:0 --context /bitbucket "${arguments[@]}" \
        --user reader:hunter2 --user-without commits=lister:hunter2 --user-without projects=newcomer:hunter2
    url=$(first_line simulator 30 | field url)
    echo "  $url"
}

install_chart() {
    kubectl create namespace bitbucket-connector
    kubectl label namespace bitbucket-connector pod-security.kubernetes.io/enforce=restricted
    # No Pod: there is no node. The operator is a process here, with the rights that the chart gives to its Pod.
    helm install bitbucket-connector "$root/charts/bitbucket-connector" --namespace bitbucket-connector \
        --set replicas=0 | sed -n '/^[A-Z]* *[A-Z]*: /p' | sed 's/^/  /'
    kubectl wait --for=condition=Established crd/bitbucketconnections.bitbucket-connector.dev --timeout 30s
}

start_operator() {
    local token config=$dir/operator.kubeconfig
    token=$(kubectl create token bitbucket-connector --namespace bitbucket-connector --duration 24h)
    (umask 077 && kubectl config view --raw --minify >"$config")
    kubectl --kubeconfig "$config" config unset users >/dev/null
    kubectl --kubeconfig "$config" config set-credentials operator --token "$token" >/dev/null
    kubectl --kubeconfig "$config" config set-context --current --user operator >/dev/null
    # The simulated Bitbucket is on this machine.
    start operator env KUBECONFIG="$config" "$BITBUCKET_CONNECTOR" run --allow-loopback --database "sqlite://$database" \
        --listen 127.0.0.1:0 --debug-listen 127.0.0.1:0 --page-listen 127.0.0.1:0 --log-level info,bitbucket_connector=debug
}

# What `kubectl bitbucket open` would show: it brings such a token.
show_page() {
    local token
    page=$(sed -n 's/.*the page is there.*address=\([0-9.:]*\).*/\1/p' "$dir/operator.log" | head -n 1)
    kubectl create serviceaccount you --namespace demo
    kubectl create rolebinding you --namespace demo --clusterrole admin --serviceaccount demo:you
    token=$(kubectl create token you --namespace demo)
    curl -sS --fail --noproxy '*' -H "Authorization: Bearer $token" "http://$page/?namespace=demo" >"$dir/page.html" || return 1
    sed -n 's/.*<span class="state [a-z]*">\(.*\)<\/span>.*/  \1/p' "$dir/page.html" | sort | uniq -c
    grep -q '>Ready<' "$dir/page.html" && grep -q '>Failing<' "$dir/page.html" && grep -q invalid_credentials "$dir/page.html"
}

# Usage: apply NAME USERNAME PASSWORD
# The examples as a user would edit them.
apply() {
    sed -e "s|https://bitbucket.example.com/bitbucket|$url|" -e "s|name: bitbucket$|name: $1|" \
        -e "s|YOUR_USERNAME|$2|" -e "s|YOUR_PASSWORD|$3|" "$root"/examples/secret.yaml <(echo ---) \
        "$root"/examples/connection.yaml | kubectl apply --namespace demo --warnings-as-errors -f -
}

step "Git repositories that Bitbucket shall serve"
choose_repositories
step "Starting a Kubernetes control plane in $dir"
start_cluster
step "Starting a simulated Bitbucket Data Center"
start_simulator
step "helm install of the chart"
install_chart
step "Starting the operator with a token of the chart's ServiceAccount"
start_operator
step "Applying examples/ with four different accounts"
kubectl create namespace demo
apply bitbucket reader hunter2
apply wrong-password reader wrong-hunter2
apply no-permission lister hunter2
apply nothing-visible newcomer hunter2
step "Waiting for the conditions"
wait_until_settled 60
finished=1
step "kubectl get bbc --namespace demo"
kubectl get bbc --namespace demo
step "Conditions: what is wrong, and what to do"
show_conditions
step "kubectl get events --namespace demo"
kubectl get events --namespace demo --sort-by .metadata.creationTimestamp -o custom-columns=TYPE:.type,REASON:.reason,CONNECTION:.involvedObject.name
step "bitbucket-connector query: what is in the database"
show_rows
step "Every stored commit id beside git rev-list"
printf '  %-28s %8s %8s  %s\n' repository stored git "as sets"
failed=
for one in "${repositories[@]}"; do compare "${one%%=*}" "${one#*=}" || failed=1; done
step "The page, as somebody sees it who may look after namespace demo"
show_page || failed=1
step "No password in the log, the database, the objects and their events"
{
    cat "$dir/operator.log" "$database"*
    kubectl get bbc,events --namespace demo -o yaml
} | "$root/tests/no-secrets.sh" cat >/dev/null || failed=1
if grep -i forbidden "$dir/operator.log"; then
    echo "The chart's RBAC lacks something, see above."
    failed=1
fi
if [[ $failed ]]; then
    show_log
    step "demo FAILED"
    exit 1
fi
printf '\ndemo passed\n'
