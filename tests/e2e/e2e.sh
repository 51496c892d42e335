#!/usr/bin/env bash
# The chart and the image on a real node: kubelet, containerd, kube-proxy and DNS, in namespaces of their own on this machine.
# `make e2e` builds what this needs and names it:
#   OPERATOR              the operator as its image has it
#   BITBUCKET_SIMULATOR   what it talks to
#   CLUSTER               the program that starts the node
#   VERSION, IMAGE_LABELS what the image says of itself
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
: "${BITBUCKET_SIMULATOR:?is set by make e2e}" "${CLUSTER:?is set by make e2e}"
operator=${OPERATOR:?is set by make e2e} version=${VERSION:?is set by make e2e}
namespace=connector
chart=$root/charts/bitbucket-connector
keep=
temporary=${TMPDIR:-/tmp}
# What others have left that were killed; the number is theirs.
for dir in "$temporary"/bitbucket-connector-e2e.*; do
    owner=${dir#*-e2e.}
    [[ -e /proc/${owner%%.*} ]] || rm -rf "$dir"
done
dir=$(mktemp -d "$temporary/bitbucket-connector-e2e.$$.XXXXXX")
# shellcheck source=tests/demo/processes.sh
source "$root/tests/demo/processes.sh"
# shellcheck source=tests/passes.sh
source "$root/tests/passes.sh"
# shellcheck source=tests/demo/repositories.sh
source "$root/tests/demo/repositories.sh"
# shellcheck source=tests/e2e/node.sh
source "$root/tests/e2e/node.sh"
# shellcheck source=tests/e2e/images.sh
source "$root/tests/e2e/images.sh"
# shellcheck source=tests/e2e/watch.sh
source "$root/tests/e2e/watch.sh"
# shellcheck source=tests/e2e/steps.sh
source "$root/tests/e2e/steps.sh"
# shellcheck source=tests/documents.sh
source "$root/tests/documents.sh"
# shellcheck source=tests/e2e/documents.sh
source "$root/tests/e2e/documents.sh"

step() {
    printf '\n== %s\n' "$*"
}

end() {
    local code=$?
    trap - EXIT
    touch "$dir/enough"
    # Not after a signal: whoever sent it knows.
    ((code == 0 || code > 128)) || show_what_is_there
    end_processes
    # Who is asked to end may take its time; what it writes to goes last.
    wait
    rm -rf "$dir"
    ((code == 0)) || printf '\n== e2e FAILED\n'
    exit "$code"
}
trap end EXIT
trap 'echo "FAILED: $BASH_COMMAND (line $LINENO)"' ERR
trap 'exit 130' INT
trap 'exit 143' TERM HUP
mkfifo "$dir/lifeline"
exec 9<>"$dir/lifeline"

"$root/tests/e2e/can-run.sh"
step "Git repositories"
mkdir "$dir/git"
make_history "$dir/git/odd" 1200 odd
make_history "$dir/git/long" 5000 long
step "A node in namespaces of its own"
start_node
step "Images, built by buildah"
build_pause
build_operator
build_servers
for image in pause:latest "bitbucket-connector:$version" bitbucket-connector:previous servers:latest; do import_image "$image"; done
passes "the operator's: two files, a user who is not root, labels" image_says "file ./bitbucket-connector" \
    "file ./etc/ssl/certs/ca-certificates.crt" "user 65532:65532" org.opencontainers.image.title=bitbucket-connector \
    org.opencontainers.image.licenses=Apache-2.0 "org.opencontainers.image.version=$version"
passes "its program names the crates it is made of" names_its_crates

step "A simulated Bitbucket and a PostgreSQL, each in a Pod"
mkdir -p "$dir/volumes"/for-one-{pod,node}
sed "s|VOLUMES|$dir/volumes|" "$root/tests/e2e/servers.yaml" | kubectl apply -f - >/dev/null
passes "both are ready" kubectl wait -n servers --for=condition=Available deployment --all --timeout 60s
start bitbucket nsenter --target "$node" --net -- "$bin/kubectl" port-forward -n servers deployment/bitbucket 7990
first_line bitbucket 20 >/dev/null

step "A new installation, with SQLite on a volume, in a namespace that enforces PodSecurity \"restricted\""
kubectl create namespace "$namespace" >/dev/null
kubectl label namespace "$namespace" pod-security.kubernetes.io/enforce=restricted pod-security.kubernetes.io/warn=restricted >/dev/null
hold_after 40
began=${EPOCHREALTIME/./}
passes "helm install" install
connect
passes "the first verdict" kubectl wait bbc bitbucket -n "$namespace" --for=condition=Ready --timeout 60s
printf '      %d ms from helm install on\n' $(((${EPOCHREALTIME/./} - began) / 1000))
passes "the Deployment is Ready" kubectl rollout status -n "$namespace" deployment/bitbucket-connector --timeout 30s
passes "user 65532, no capability, a filter of system calls, a root file system to read from" confined

step "kubectl delete pod in the middle of a sync"
passes "40 pages of the long repository are read, and it asks for more" page_41_is_asked_for
watch_pods
passes "kubectl delete pod" kubectl delete pod -n "$namespace" -l app.kubernetes.io/name=bitbucket-connector
let_go
within 60 "the next Pod ends the sync" is_synced
passes "it went on where the first one stopped" pages_at_most 75
passes "the rows are git's" rows_are_gits

step "Rolling with SQLite"
passes "kubectl rollout restart" kubectl rollout restart -n "$namespace" deployment/bitbucket-connector
passes "the Deployment is Ready" kubectl rollout status -n "$namespace" deployment/bitbucket-connector --timeout 60s
sync_again
within 60 "the next sync" is_synced_again
within 10 "three Pods have run, each when the one before had ended" one_at_a_time 3
pages_say "kubectl exec " "kubectl logs "
kubectl scale -n "$namespace" deployment/bitbucket-connector --replicas 2 >/dev/null
within 20 "a second Pod is kept away from the volume" kept_away
kubectl scale -n "$namespace" deployment/bitbucket-connector --replicas 1 >/dev/null
passes "helm uninstall" helm uninstall -n "$namespace" bitbucket-connector --wait
kubectl delete bbc,pvc -n "$namespace" --all >/dev/null

step "Upgrading from the previous chart and image"
passes "helm install of the previous ones" helm install bitbucket-connector "$root/tests/chart/previous/bitbucket-connector-0.1.0.tgz" \
    -n "$namespace" --set image.repository=localhost/bitbucket-connector,image.tag=previous,image.pullPolicy=Never --wait --timeout 60s
connect
within 60 "it syncs" is_synced
passes "helm upgrade to these" upgrade
within 10 "two more Pods have run, not at once either" one_at_a_time 5
passes "the rows are still there" rows_are_gits
sync_again
within 60 "it syncs again" is_synced_again

step "Changing to PostgreSQL, two replicas"
kubectl create secret generic commits-app -n "$namespace" \
    --from-literal=uri=postgres://app:hunter2@postgres.servers.svc:5432/postgres >/dev/null
hold_after 40
# An operator with SQLite asks for no Lease: it ends before one with PostgreSQL begins.
passes "helm upgrade to PostgreSQL" upgrade --set database.secretRef.name=commits-app
within 10 "the Pod with SQLite had ended" one_at_a_time 6
passes "helm upgrade to two replicas" upgrade --set database.secretRef.name=commits-app,replicas=2
sync_again
passes "40 pages of the long repository are read, and it asks for more" page_41_is_asked_for
watch_leaders &
watcher=$!
within 20 "one leads" one_leader_at_a_time 1
passes "kubectl rollout restart in the middle of the sync" kubectl rollout restart -n "$namespace" deployment/bitbucket-connector
passes "both are replaced" kubectl rollout status -n "$namespace" deployment/bitbucket-connector --timeout 90s
let_go
within 90 "the sync ends" is_synced_again
within 20 "two have led, and never two at once" one_leader_at_a_time 2
touch "$dir/enough"
wait "$watcher"
passes "it went on where the first one stopped" pages_at_most 75
passes "the rows are git's" rows_are_gits

step "The page, by a port that is forwarded to the one who leads"
pages_say "kubectl get lease " "LEADER="
passes "helm upgrade to a page" upgrade --set database.secretRef.name=commits-app,replicas=2,page.enabled=true
passes "kubectl bitbucket open" open_page
within 20 "it shows the connection" page_shows_the_connection

step "The end"
passes "helm uninstall" helm uninstall -n "$namespace" bitbucket-connector --wait
killed_and_gone
printf '\ne2e passed\n'
