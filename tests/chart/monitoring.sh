# shellcheck shell=bash
# What Prometheus and Grafana are given. Sourced by check.sh, whose $chart, $dir, passes and refuses are used.

monitored=(--namespace monitoring --set 'crds.install=false,metrics.dashboard.enabled=true')
monitored+=(--set 'metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true')
kubectl create namespace monitoring >/dev/null
refuses "a ServiceMonitor where there is no Prometheus Operator" 'no matches for kind "ServiceMonitor"' \
    helm install monitored "${chart:?}" "${monitored[@]}"

# Usage: monitoring_crd KIND PLURAL
# By name only: tests/monitoring compares the objects with what the Prometheus Operator knows.
monitoring_crd() {
    kubectl create -f - >/dev/null <<END
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: $2.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: $1, listKind: $1List, plural: $2, singular: ${2%s}}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
END
    kubectl wait --for condition=Established --timeout 30s "crd/$2.monitoring.coreos.com" >/dev/null
}
monitoring_crd ServiceMonitor servicemonitors
monitoring_crd PrometheusRule prometheusrules

# Usage: given PATH KIND/NAME
# What the cluster has at this path of an object.
given() {
    kubectl get --namespace monitoring "$2" --output "jsonpath=$1"
}
same_dashboard() {
    given '{.data.bitbucket-connector\.json}' configmap/monitored-bitbucket-connector-dashboard |
        cmp - "$chart/files/dashboard.json"
}
same_alerts() {
    given '{.spec}' prometheusrule/monitored-bitbucket-connector >"${dir:?}/rules.json" &&
        promtool check rules "$dir/rules.json" | grep -F "SUCCESS: $(grep -c -- '- alert:' "$chart/files/alerts.yaml") rules"
}
passes "server-side dry run with a ServiceMonitor, alerts and a dashboard" \
    without_warning helm install monitored "$chart" "${monitored[@]}" --dry-run=server
passes "a dashboard without the sidecar's label" without_warning helm install monitored "$chart" "${monitored[@]}" --dry-run=server \
    --set metrics.dashboard.labels.grafana_dashboard=null
passes "install with them" without_warning helm install monitored "$chart" "${monitored[@]}"
passes "Grafana is given the dashboard as it is" same_dashboard
passes "Prometheus is given the alerts as they are" same_alerts
passes "upgrade with them, and other labels" without_warning helm upgrade monitored "$chart" "${monitored[@]}" \
    --set metrics.serviceMonitor.labels.release=prometheus,metrics.serviceMonitor.interval=1m30s
passes "Prometheus finds its ServiceMonitor by them" kubectl wait --namespace monitoring --timeout 5s \
    --for 'jsonpath={.metadata.labels.release}=prometheus' servicemonitor/monitored-bitbucket-connector
passes "upgrade without them" without_warning helm upgrade monitored "$chart" --namespace monitoring --set crds.install=false
for object in servicemonitor/monitored-bitbucket-connector prometheusrule/monitored-bitbucket-connector \
    service/monitored-bitbucket-connector configmap/monitored-bitbucket-connector-dashboard; do
    refuses "it is gone: $object" NotFound given '{.metadata.name}' "$object"
done
passes "uninstall" helm uninstall monitored --namespace monitoring
