# shellcheck shell=bash
# The node, and how to get at it. Sourced by e2e.sh, which sets $dir and sources tests/demo/processes.sh.

start_node() {
    local ready
    # Always one of its own.
    start cluster env -u USE_EXISTING_CLUSTER "$CLUSTER" start --node --dir "$dir/cluster"
    ready=$(first_line cluster 180)
    KUBECONFIG=$(field kubeconfig <<<"$ready")
    bin=$(sed 's/.*"bin":"\([^"]*\)","auditLog.*/\1/' <<<"$ready")
    node_bin=$(field bin <<<"${ready##*\"node\":}")
    node=$(field pid <<<"${ready##*\"node\":}")
    socket=$(field socket <<<"$ready")
    export KUBECONFIG
    export HELM_CACHE_HOME=$dir/helm HELM_CONFIG_HOME=$dir/helm HELM_DATA_HOME=$dir/helm
    sed 's/^/  /' "$dir/cluster.log"
}

# Usage: on_node COMMAND…
# In the node's network, where its addresses lead somewhere.
on_node() {
    nsenter --target "$node" --net -- "$@"
}

kubectl() {
    on_node "$bin/kubectl" "$@"
}

helm() {
    on_node "$bin/helm" "$@"
}

ctr() {
    nsenter --target "$node" --net --mount -- "$node_bin/ctr" --address "$socket" --namespace k8s.io "$@"
}

# Usage: within SECONDS WHAT COMMAND…
# Tries until the command succeeds.
within() {
    local seconds=$1 what=$2 began=$SECONDS
    shift 2
    until "$@" >"$dir/out" 2>&1; do
        if ((SECONDS - began > seconds)); then
            echo "FAILS $what: not within $seconds s"
            cat "$dir/out"
            return 1
        fi
        sleep 0.2
    done
    echo "ok    $what ($((SECONDS - began)) s)"
}

show_what_is_there() {
    [[ ${node:-} ]] || { tail -n 20 "$dir/cluster.log" 2>/dev/null; return 0; }
    kubectl get pods,pvc -A -o wide || true
    kubectl get events -A --sort-by .lastTimestamp -o custom-columns=WHEN:.lastTimestamp,OF:.involvedObject.name,REASON:.reason,WHAT:.message |
        tail -n 25 || true
    kubectl describe bbc -n "$namespace" || true
    kubectl logs -n "$namespace" -l app.kubernetes.io/name=bitbucket-connector --tail 25 --prefix || true
    kubectl logs -n servers -l app --tail 10 --prefix || true
}

# Nobody can be told to end any more: the node's guardian is killed, and nothing may be left all the same.
killed_and_gone() {
    local first=${pids[0]}
    { kill -KILL "$first" && wait "$first"; } 2>/dev/null || true
    within 30 "killed, it leaves no process and no cgroup" nothing_is_left
}

nothing_is_left() {
    ! grep -rls "$dir/cluster" /proc/[0-9]*/cmdline && ! compgen -G "/sys/fs/cgroup/*/bitbucket-connector-node-$node" &&
        ! compgen -G "/sys/fs/cgroup/bitbucket-connector-node-$node" && [[ ! -e /proc/$node ]]
}
