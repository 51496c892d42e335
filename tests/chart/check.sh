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

# shellcheck source=tests/passes.sh
source "$root/tests/passes.sh"
# shellcheck source=tests/documents.sh
source "$root/tests/documents.sh"

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
    # The severity of an alert is none.
    ! grep -v 'severity: warning' "$dir/all" | grep -i '^W\|warning'
}

passes "helm lint" helm lint --strict "$chart"
kubectl create namespace chart >/dev/null
kubectl label namespace chart pod-security.kubernetes.io/enforce=restricted pod-security.kubernetes.io/warn=restricted >/dev/null
passes "server-side dry run with the defaults" without_warning install --dry-run=server
# shellcheck source=tests/chart/monitoring.sh
source "$root/tests/chart/monitoring.sh"
cat >"$dir/values.yaml" <<END
image: {repository: example.com/a/b, digest: "sha256:$(printf '%064d' 0)", pullPolicy: Always}
imagePullSecrets: [{name: registry}]
crds: {install: false}
database: {secretRef: {name: "", key: uri}, certSecretRef: {name: ""}, schema: bitbucket}
persistence: {existingClaim: mine, accessMode: ReadWriteOnce}
serviceAccount: {create: false, name: mine}
watch: {namespaces: [chart], secrets: off}
clusterName: one
trust: {allowedHosts: [git.example.com, "*.corp.example.com"], deniedCIDRs: [10.96.0.0/12, 192.0.2.7], requireSecretURL: true}
logLevel: debug
logFormat: text
trustedCA: {secret: {name: authorities, key: all.crt}}
proxy: {https: "http://proxy.example.com:3128", http: "http://proxy.example.com:3128/", noProxy: ".corp.example.com,10.0.0.0/8"}
rbac: {aggregate: false}
networkPolicy: {enabled: true, ingressFrom: [{podSelector: {}}], egress: [{ports: [{port: 443}]}]}
metrics:
  serviceMonitor: {enabled: true, interval: 15s, labels: {release: prometheus}}
  prometheusRule: {enabled: true, labels: {role: rules}}
  dashboard: {enabled: true, labels: {grafana_dashboard: "yes"}, annotations: {grafana_folder: Bitbucket}}
dataCloudAPI:
  enabled: true
  tls: {secretName: api-tls}
  service: {type: LoadBalancer, port: 8443, annotations: {example.com/internal: "true"}}
  ingressFrom: [{namespaceSelector: {}}]
page: {enabled: true}
webhooks: {enabled: true, service: {type: NodePort, port: 8081, annotations: {example.com/hooks: "true"}}, ingressFrom: [{podSelector: {}}]}
extraArgs: [--max-requests-per-host=8]
extraEnv: [{name: BITBUCKET_CONNECTOR_CLUSTER_NAME, value: one}]
extraVolumes: [{name: more, emptyDir: {}}]
extraVolumeMounts: [{name: more, mountPath: /more}]
extraObjects:
  - {apiVersion: v1, kind: ConfigMap, metadata: {name: "{{ .Release.Name }}-more"}, data: {a: b}}
  - |
    apiVersion: v1
    kind: ConfigMap
    metadata: {name: "{{ .Release.Name }}-text"}
resources: {limits: {memory: 1Gi}}
podSecurityContext: {runAsUser: null, runAsGroup: null, fsGroup: null}
podAnnotations: {a: b}
podLabels: {a: b}
priorityClassName: system-cluster-critical
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: ScheduleAnyway, labelSelector: {}}]
hostAliases: [{ip: 192.0.2.7, hostnames: [git.example.com]}]
dnsPolicy: None
dnsConfig: {nameservers: [192.0.2.53]}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: Exists}]}]}}}
END
passes "server-side dry run with every value set" without_warning install --dry-run=server --values "$dir/values.yaml"
# Usage: renders FLAGS… -- TEXT…
# Each text is a line of what the chart makes, or a part of one.
renders() {
    local flags=()
    while [[ $1 != -- ]]; do
        flags+=("$1")
        shift
    done
    helm template bitbucket-connector "$chart" --namespace chart "${flags[@]}" >"$dir/rendered.yaml" || return 1
    for text in "${@:2}"; do
        grep -qF -- "$text" "$dir/rendered.yaml" || { echo "there is no $text"; return 1; }
    done
}
passes "every value has its place" renders --values "$dir/values.yaml" -- 'secretName: "authorities"' '{key: "all.crt", path: ca.crt}' \
    'value: /etc/bitbucket-connector/authorities/ca.crt' 'value: ".corp.example.com,10.0.0.0/8"' '"--max-requests-per-host=8"' 'mountPath: /more' \
    "name: 'bitbucket-connector-more'" 'name: "bitbucket-connector-text"' 'priorityClassName: "system-cluster-critical"' 'whenUnsatisfiable: ScheduleAnyway' \
    'ip: 192.0.2.7' 'dnsPolicy: None' '192.0.2.53' 'claimName: mine' 'port: http' 'value: "off"' 'verbs: [get]' \
    'interval: 15s' 'release: prometheus' 'role: rules' 'grafana_dashboard: "yes"' 'grafana_folder: Bitbucket' \
    'secretName: "api-tls"' 'value: 0.0.0.0:8443' 'type: LoadBalancer' 'example.com/internal: "true"' 'port: data-cloud' \
    'value: 0.0.0.0:8090' 'type: NodePort' 'example.com/hooks: "true"' 'port: webhooks' 'value: 127.0.0.1:8082'
passes "a claim for one Pod" renders -- 'accessModes: ["ReadWriteOncePod"]'
# Usage: with_postgres
# The URI comes from the Secret, and nothing of SQLite is left.
with_postgres() {
    local flags=(--set database.secretRef.name=commits-app --set database.certSecretRef.name=commits-ca --set database.schema=team)
    without_warning install --dry-run=server "${flags[@]}" || return 1
    renders "${flags[@]}" -- 'name: "commits-app"' 'key: "uri"' 'value: "team"' 'secretName: "commits-ca"' \
        '- --leader-election' 'type: RollingUpdate' || return 1
    ! grep -e PersistentVolumeClaim -e sqlite: -e persistentVolumeClaim "$dir/rendered.yaml"
}
passes "PostgreSQL from a Secret, and no volume" with_postgres
# Usage: with_replicas
with_replicas() {
    local flags=(--set 'database.secretRef.name=commits-app,replicas=3')
    without_warning install --dry-run=server "${flags[@]}" || return 1
    renders "${flags[@]}" -- 'replicas: 3' 'kind: PodDisruptionBudget' 'topologyKey: kubernetes.io/hostname' 'resources: [leases]' || return 1
    renders -- 'replicas: 1' 'type: Recreate' || return 1
    ! grep -e PodDisruptionBudget -e topologyKey -e leases -e leader-election "$dir/rendered.yaml"
}
passes "with PostgreSQL, several replicas" with_replicas
for wrong in 'watch.namespaces={A}' watch.secrets=on color=red image.color=red crds.keep=false replicas=2 logFormat=xml persistence.size=big database.url=x database.secretRef.key= database.schema= image.digest=latest \
    'trust.allowedHosts={https://a}' 'trust.deniedCIDRs={a.example.com}' persistence.accessMode=ReadWriteMany proxy.https=proxy:3128 'extraArgs={run}' \
    metrics.enabled=true metrics.serviceMonitor.enable=true metrics.serviceMonitor.interval=fast metrics.prometheusRule.label.a=b \
    dataCloudAPI.enable=true page.listen=0.0.0.0 webhooks.service.nodePort=1 dataCloudAPI.service.type=ExternalName dataCloudAPI.service.port=0 metrics.dashboard.enabled=on metrics.dashboard.annotations.a=1 dnsPolicy=Any trustedCA.configMap.nam=a networkPolicy.from=a 'hostAliases={a}'; do
    refuses "refused: $wrong" "- at '" install --dry-run=client --set "$wrong"
done

refuses "refused: authorities from two places" "name a configMap or a secret, not both" \
    install --dry-run=client --set trustedCA.configMap.name=a,trustedCA.secret.name=b

refuses "refused: passwords by plain HTTP" "passwords are not taken without TLS" install --dry-run=client --set dataCloudAPI.enabled=true

# What is installed somewhere already, and what it holds, comes through.
previous=$root/tests/chart/previous/bitbucket-connector-0.1.0.tgz
mode() { [[ $(kubectl get pvc -n chart bitbucket-connector -o jsonpath='{.spec.accessModes[0]}') == "$1" ]]; }
there() { kubectl get bitbucketconnection -n chart kept; }
passes "install the previous version" without_warning helm install bitbucket-connector "$previous" --namespace chart
kubectl create -n chart -f - >/dev/null <<END
{apiVersion: bitbucket-connector.dev/v1alpha1, kind: BitbucketConnection, metadata: {name: kept}, spec: {url: "https://git.example.com", secretRef: {name: a}}}
END
passes "upgrade to this one" without_warning helm upgrade bitbucket-connector "$chart" --namespace chart --reset-then-reuse-values
passes "its claim keeps its access mode" mode ReadWriteOnce
passes "roll back" helm rollback bitbucket-connector 1 --namespace chart
passes "upgrade again" helm upgrade bitbucket-connector "$chart" --namespace chart
strategy() { [[ $(kubectl get deployment -n chart bitbucket-connector -o jsonpath='{.spec.strategy.type}') == "$1" ]]; }
to_postgres() { helm upgrade bitbucket-connector "$chart" --namespace chart --set database.secretRef.name=commits-app "$@"; }
refuses "to PostgreSQL and more replicas at once" "change from SQLite to PostgreSQL with replicas=1" to_postgres --set replicas=2
passes "to PostgreSQL" to_postgres
passes "the Pod with SQLite ends first" strategy Recreate
passes "then more replicas" to_postgres --set replicas=2
passes "from then on they are replaced one by one" strategy RollingUpdate
passes "and back to SQLite" helm upgrade bitbucket-connector "$chart" --namespace chart
passes "paused" helm upgrade bitbucket-connector "$chart" --namespace chart --set replicas=0
passes "to PostgreSQL, which nothing has to make way for" to_postgres --set replicas=2
passes "nothing had to" strategy RollingUpdate
passes "roll back to the previous version" helm rollback bitbucket-connector 1 --namespace chart
passes "upgrade once more" helm upgrade bitbucket-connector "$chart" --namespace chart
passes "the connection is still there" there
passes "uninstall" helm uninstall bitbucket-connector --namespace chart
passes "the connection is still there" there
passes "the claim is still there" mode ReadWriteOnce
refuses "another name does not take over what is another's" "cannot be imported into the current release" \
    helm install other "$chart" --namespace chart
passes "unless it is told to, with the old claim" helm install other "$chart" --namespace chart --take-ownership \
    --set persistence.existingClaim=bitbucket-connector
passes "the connection is still there" there
passes "uninstall the other" helm uninstall other --namespace chart
kubectl delete pvc -n chart bitbucket-connector >/dev/null
kubectl delete crd bitbucketconnections.bitbucket-connector.dev >/dev/null

passes "install" without_warning install
passes "a new claim is for one Pod" mode ReadWriteOncePod
passes "the CRD is established" kubectl wait --for condition=Established --timeout 30s crd/bitbucketconnections.bitbucket-connector.dev
passes "a Pod passes PodSecurity restricted" timeout 30 bash -c \
    'until kubectl get pod -n chart -l app.kubernetes.io/instance=bitbucket-connector -o name | grep pod; do sleep 0.2; done'
passes "the examples are accepted" kubectl apply --dry-run=server --warnings-as-errors -f "$root/examples/"

for verb in get list watch; do
    may "$verb" secrets yes -A
done
for verb in list watch patch; do
    may "$verb" bitbucketconnections.bitbucket-connector.dev yes -A
done
may patch bitbucketconnections.bitbucket-connector.dev yes -A --subresource status
may create events.events.k8s.io yes -A
may patch events.events.k8s.io no -A
may get namespaces/kube-system yes
may get bitbucketconnections.bitbucket-connector.dev no -A
for verb in create update delete; do
    may "$verb" bitbucketconnections.bitbucket-connector.dev no -A
done
for verb in create update patch delete; do
    may "$verb" secrets no -A
    may "$verb" configmaps no -A
done
may get namespaces no
may list namespaces no
may get pods no -A
may get configmaps no -n chart
echo "ok    the ServiceAccount's rights, and no more"

# Usage: as_written COMMAND
# What a page says, for the release of this test.
as_written() {
    local command=${1//--namespace bitbucket-connector/--namespace chart}
    # There is no node, so no Pod is ever ready.
    if [[ $command == 'helm upgrade '* ]]; then command=${command//--wait/}; fi
    (cd "$root" && without_warning bash -c "$command")
}
# Usage: as_page PAGE
as_page() {
    as_written "$(commands_of "helm " | sed -n "s|^docs/$1\t||p")"
}
passes "the Data Cloud API, as its page says" as_page data-cloud-api.md
passes "webhooks, as their page says" as_page webhooks.md
# Usage: doors PORT…
doors() {
    [[ $(kubectl get deployment -n chart bitbucket-connector -o jsonpath='{.spec.template.spec.containers[0].ports[*].name}') == "$*" ]]
}
passes "both have a port" doors http data-cloud webhooks
passes "the page, as its page says" as_page page.md
passes "it has a port too" doors http data-cloud webhooks page
passes "without them" helm upgrade bitbucket-connector "$chart" --namespace chart --reset-values
passes "neither has one" doors http

kubectl create namespace team >/dev/null
passes "upgrade to two namespaces" without_warning helm upgrade bitbucket-connector "$chart" --namespace chart \
    --set 'watch.namespaces={team,chart},watch.secrets=off'
may get secrets yes -n team
may patch bitbucketconnections.bitbucket-connector.dev yes -n chart --subresource status
may list secrets no -n team
may get secrets no -n default
may list bitbucketconnections.bitbucket-connector.dev no -n default
may get namespaces/kube-system yes
echo "ok    its rights are there, and nowhere else"
# Usage: without_cluster_roles
without_cluster_roles() {
    renders --set 'watch.namespaces={team},clusterName=one,rbac.aggregate=false,crds.install=false' -- \
        'value: "team"' 'value: "one"' 'kind: RoleBinding' || return 1
    ! grep 'kind: ClusterRole\|kind: CustomResourceDefinition' "$dir/rendered.yaml"
}
passes "an installation without any right in the cluster" without_cluster_roles

# People have what the cluster's own roles give them.
kubectl create namespace people >/dev/null
for role in view edit; do
    kubectl create rolebinding "$role" -n people --clusterrole "$role" --user "$role" >/dev/null
done
# Usage: someone USER VERB yes|no
someone() {
    local answer
    answer=$(kubectl auth can-i "$2" bitbucketconnections.bitbucket-connector.dev -n people --as "$1" 2>/dev/null || true)
    [[ $answer == "$3" ]]
}
export -f someone
passes "who may edit a namespace may change its connections" timeout 30 bash -c 'until someone edit patch yes; do sleep 0.2; done'
passes "who may view it may read them" timeout 30 bash -c 'until someone view list yes && someone edit list yes; do sleep 0.2; done'
passes "and no more" someone view patch no

passes "upgrade" helm upgrade bitbucket-connector "$chart" --namespace chart --set replicas=0
passes "uninstall" helm uninstall bitbucket-connector --namespace chart
passes "the CRD stays" kubectl get crd bitbucketconnections.bitbucket-connector.dev
passes "the database's volume stays" kubectl get pvc -n chart bitbucket-connector
refuses "the Deployment goes" NotFound kubectl get deployment -n chart bitbucket-connector
passes "install again" install

# What people are told to type, as it stands there.
tried=0
while IFS=$'\t' read -r page command; do
    case $command in
        'helm install '*) helm uninstall bitbucket-connector --namespace chart --wait >/dev/null ;;
        # It begins with PostgreSQL, as its page says.
        *replicas=2*) helm upgrade bitbucket-connector "$chart" --namespace chart --set database.secretRef.name=commits-app >/dev/null ;;
    esac
    passes "$page: ${command%% --*}" as_written "$command"
    tried=$((tried + 1))
done < <(commands_of "helm ")
mkdir "$dir/values"
values_of "$dir/values"
for values in "$dir/values/"*; do
    passes "values of a page: $(head -n 1 "$values")" renders --values "$values" -- 'kind: Deployment'
    tried=$((tried + 1))
done
while IFS=$'\t' read -r page command; do
    passes "$page: ${command%% #*}" as_written "$command"
    tried=$((tried + 1))
done < <(commands_of "kubectl delete ")
((tried > 12)) || { echo "FAILS only $tried commands and values were found"; exit 1; }
