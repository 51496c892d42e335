#!/usr/bin/env bash
# The chart and the examples on a real API server. CLUSTER names the program that starts one.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
chart=$root/charts/bitbucket-connector
dir=$(mktemp -d)
trap 'exec 9>&-; wait; rm -rf "$dir"' EXIT

# The control plane ends when its standard input does.
mkfifo "$dir/lifeline" "$dir/ready"
env -u USE_EXISTING_CLUSTER "${CLUSTER:?is set by make test}" start --dir "$dir/cluster" <"$dir/lifeline" >"$dir/ready" 2>"$dir/log" &
exec 9>"$dir/lifeline"
IFS= read -r ready <"$dir/ready" || { cat "$dir/log"; exit 1; }
bin=$(sed 's/.*"bin":"\([^"]*\)".*/\1/' <<<"$ready")
export KUBECONFIG=$dir/cluster/kubeconfig PATH=$bin:$PATH
export HELM_CACHE_HOME=$dir/helm HELM_CONFIG_HOME=$dir/helm HELM_DATA_HOME=$dir/helm

passes() {
    local what=$1
    shift
    if "$@" >"$dir/out" 2>&1; then
        echo "ok    $what"
    else
        echo "FAILS $what"
        cat "$dir/out"
        exit 1
    fi
}

# Usage: refuses WHAT TEXT COMMAND…
# The command must fail, and say TEXT.
refuses() {
    local what=$1 text=$2
    shift 2
    if "$@" >"$dir/out" 2>&1 || ! grep -qF -- "$text" "$dir/out"; then
        echo "FAILS $what: not refused, or not for the right reason"
        cat "$dir/out"
        exit 1
    fi
    echo "ok    $what"
}

install() {
    helm install bitbucket-connector "$chart" --namespace chart "$@"
}

# Usage: may VERB RESOURCE yes|no [FLAGS]
may() {
    local verb=$1 resource=$2 expected=$3 answer
    shift 3
    answer=$(kubectl auth can-i "$verb" "$resource" --as system:serviceaccount:chart:bitbucket-connector "$@" 2>/dev/null || true)
    [[ $answer == "$expected" ]] || { echo "FAILS may $verb $resource $*: $answer"; exit 1; }
}

# The API server does not refuse a Deployment whose Pods it will refuse: it warns.
without_warning() {
    "$@" >"$dir/all" 2>&1 || { cat "$dir/all"; return 1; }
    ! grep -i '^W\|warning' "$dir/all"
}

passes "helm lint" helm lint --strict "$chart"
kubectl create namespace chart >/dev/null
kubectl label namespace chart pod-security.kubernetes.io/enforce=restricted pod-security.kubernetes.io/warn=restricted >/dev/null
passes "server-side dry run with the defaults" without_warning install --dry-run=server
cat >"$dir/values.yaml" <<END
image: {repository: example.com/a/b, digest: "sha256:$(printf '%064d' 0)", pullPolicy: Always}
imagePullSecrets: [{name: registry}]
crds: {install: false}
database: {secretRef: {name: "", key: uri}, certSecretRef: {name: ""}, schema: bitbucket}
persistence: {existingClaim: mine}
serviceAccount: {create: false, name: mine}
trust: {allowedHosts: [git.example.com, "*.corp.example.com"], deniedCIDRs: [10.96.0.0/12, 192.0.2.7], requireSecretURL: true}
logLevel: debug
logFormat: text
extraEnv: [{name: HTTPS_PROXY, value: "http://proxy.example.com:3128"}]
resources: {limits: {memory: 1Gi}}
podSecurityContext: {runAsUser: null, runAsGroup: null, fsGroup: null}
podAnnotations: {a: b}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
END
passes "server-side dry run with every value set" without_warning install --dry-run=server --values "$dir/values.yaml"
# Usage: with_postgres
# The URI comes from the Secret, and nothing of SQLite is left.
with_postgres() {
    local flags=(--set database.secretRef.name=commits-app --set database.certSecretRef.name=commits-ca --set database.schema=team)
    without_warning install --dry-run=server "${flags[@]}" || return 1
    helm template bitbucket-connector "$chart" --namespace chart "${flags[@]}" >"$dir/postgres.yaml"
    for text in 'name: "commits-app"' 'key: "uri"' 'value: "team"' 'secretName: "commits-ca"'; do
        grep -qF -- "$text" "$dir/postgres.yaml" || { echo "there is no $text"; return 1; }
    done
    ! grep -e PersistentVolumeClaim -e sqlite: -e persistentVolumeClaim "$dir/postgres.yaml"
}
passes "PostgreSQL from a Secret, and no volume" with_postgres
for wrong in color=red image.color=red crds.keep=false replicas=2 logFormat=xml persistence.size=big database.url=x database.secretRef.key= database.schema= image.digest=latest \
    'trust.allowedHosts={https://a}' 'trust.deniedCIDRs={a.example.com}'; do
    refuses "refused: $wrong" "- at '" install --dry-run=client --set "$wrong"
done

passes "install" without_warning install
passes "the CRD is established" kubectl wait --for condition=Established --timeout 30s crd/bitbucketconnections.bitbucket-connector.dev
passes "a Pod passes PodSecurity restricted" timeout 30 bash -c \
    'until kubectl get pod -n chart -l app.kubernetes.io/instance=bitbucket-connector -o name | grep pod; do sleep 0.2; done'
passes "the examples are accepted" kubectl apply --dry-run=server --warnings-as-errors -f "$root/examples/"

for verb in get list watch; do
    may "$verb" bitbucketconnections.bitbucket-connector.dev yes -A
    may "$verb" secrets yes -A
done
may patch bitbucketconnections.bitbucket-connector.dev yes -A --subresource status
may create events.events.k8s.io yes -A
may patch events.events.k8s.io yes -A
may get namespaces/kube-system yes
for verb in create update patch delete; do
    may "$verb" bitbucketconnections.bitbucket-connector.dev no -A
    may "$verb" secrets no -A
    may "$verb" configmaps no -A
done
may get namespaces no
may list namespaces no
may get pods no -A
may get configmaps no -n chart
echo "ok    the ServiceAccount's rights, and no more"

passes "upgrade" helm upgrade bitbucket-connector "$chart" --namespace chart --set replicas=0
passes "uninstall" helm uninstall bitbucket-connector --namespace chart
passes "the CRD stays" kubectl get crd bitbucketconnections.bitbucket-connector.dev
passes "the database's volume stays" kubectl get pvc -n chart bitbucket-connector
refuses "the Deployment goes" NotFound kubectl get deployment -n chart bitbucket-connector
passes "install again" install
