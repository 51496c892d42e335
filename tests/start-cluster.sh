#!/usr/bin/env bash
# A control plane in the foreground, with what to type in another terminal. For `make cluster`.
set -euo pipefail

dir=$(mktemp -d "${TMPDIR:-/tmp}/bitbucket-connector-cluster.XXXXXX")
trap 'rm -rf "$dir"' EXIT
# The control plane meets Ctrl-C by itself; this waits for its end.
trap : INT TERM

# It ends with its standard input, which nobody but this script holds: whatever becomes of the script, it ends.
mkfifo "$dir/lifeline" "$dir/ready"
exec 9<>"$dir/lifeline"
"${CLUSTER:?is set by make cluster}" start --dir "$dir/cluster" <"$dir/lifeline" >"$dir/ready" 9>&- &
ready=""
IFS= read -r ready <"$dir/ready" || true
if [[ $ready ]]; then
    bin=${ready##*\"bin\":\"}
    kubeconfig=${ready##*\"kubeconfig\":\"}
    cat <<END
In another terminal:

  export KUBECONFIG=${kubeconfig%%\"*} PATH=${bin%%\"*}:\$PATH
  kubectl apply --server-side -f crds/
  cargo run -- run --database sqlite://$dir/commits.db --listen 127.0.0.1:0

Ctrl-C here ends it and removes all it wrote.
END
fi
# A signal interrupts the first wait.
wait $! || wait $! 2>/dev/null
