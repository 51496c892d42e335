// What the chart gives the Prometheus Operator, read with its own types: a field that it does not know is an error.
package monitoring

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

const chart = "../../charts/bitbucket-connector"

// rendered is what the chart makes with these values, by kind.
func rendered(t *testing.T, values ...string) map[string]string {
	t.Helper()
	program := os.Getenv("CLUSTER")
	if program == "" {
		t.Fatal("CLUSTER names the program of tests/cluster: make test-cluster sets it")
	}
	bin, err := exec.Command(program, "build").Output()
	if err != nil {
		t.Fatal(err)
	}
	helm := filepath.Join(strings.TrimSpace(string(bin)), "helm")
	arguments := append([]string{"template", "watcher", chart, "--namespace", "operators"}, values...)
	printed, err := exec.Command(helm, arguments...).Output()
	if err != nil {
		t.Fatal(err)
	}
	objects := map[string]string{}
	for object := range strings.SplitSeq(string(printed), "\n---\n") {
		var meta metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(object), &meta); err != nil {
			t.Fatal(err)
		}
		objects[meta.Kind] = object
	}
	return objects
}

func decode(t *testing.T, object string, into any) {
	t.Helper()
	if object == "" {
		t.Fatalf("there is no %T", into)
	}
	if err := yaml.UnmarshalStrict([]byte(object), into); err != nil {
		t.Fatalf("%T: %v", into, err)
	}
}

func TestPrometheusFindsThePods(t *testing.T) {
	objects := rendered(t, "--set", "metrics.serviceMonitor.enabled=true,metrics.serviceMonitor.interval=15s,metrics.serviceMonitor.labels.release=p")
	var monitor monitoringv1.ServiceMonitor
	var service corev1.Service
	var deployment appsv1.Deployment
	decode(t, objects["ServiceMonitor"], &monitor)
	decode(t, objects["Service"], &service)
	decode(t, objects["Deployment"], &deployment)

	if monitor.APIVersion != monitoringv1.SchemeGroupVersion.String() || monitor.Labels["release"] != "p" {
		t.Errorf("%s with labels %v", monitor.APIVersion, monitor.Labels)
	}
	selector, err := metav1.LabelSelectorAsSelector(&monitor.Spec.Selector)
	if err != nil || selector.Empty() || !selector.Matches(labels.Set(service.Labels)) {
		t.Errorf("%v does not select the Service %v: %v", selector, service.Labels, err)
	}
	if monitor.Namespace != service.Namespace || monitor.Spec.NamespaceSelector.Any {
		t.Errorf("the Service is in %s, the ServiceMonitor in %s", service.Namespace, monitor.Namespace)
	}
	endpoint, port := monitor.Spec.Endpoints[0], service.Spec.Ports[0]
	if endpoint.Port != port.Name || endpoint.Path != "/metrics" || endpoint.Interval != "15s" {
		t.Errorf("endpoint %+v, port %+v", endpoint, port)
	}
	pod := deployment.Spec.Template
	if chosen := labels.SelectorFromSet(service.Spec.Selector); chosen.Empty() || !chosen.Matches(labels.Set(pod.Labels)) {
		t.Errorf("the Service chooses %v, the Pods have %v", chosen, pod.Labels)
	}
	if open := pod.Spec.Containers[0].Ports[0]; port.TargetPort.StrVal != open.Name || port.Port != open.ContainerPort {
		t.Errorf("the Service leads to %v, the Pod has %+v", port.TargetPort, open)
	}
}

func TestPrometheusReadsTheAlerts(t *testing.T) {
	var rule monitoringv1.PrometheusRule
	decode(t, rendered(t, "--set", "metrics.prometheusRule.enabled=true,metrics.prometheusRule.labels.release=p")["PrometheusRule"], &rule)
	alerts, err := os.ReadFile(chart + "/files/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	expected := strings.Count(string(alerts), "- alert: ")
	if rule.Labels["release"] != "p" || len(rule.Spec.Groups) != 1 || len(rule.Spec.Groups[0].Rules) != expected {
		t.Fatalf("labels %v, and not all of %d alerts", rule.Labels, expected)
	}
	for _, alert := range rule.Spec.Groups[0].Rules {
		// They are templates of Prometheus, which Helm must have left alone.
		if alert.Annotations["summary"] == "" || alert.Annotations["description"] == "" || alert.Labels["severity"] == "" {
			t.Errorf("%s: %v, %v", alert.Alert, alert.Labels, alert.Annotations)
		}
		if !strings.Contains(string(alerts), alert.Annotations["summary"]) {
			t.Errorf("%s: another summary: %s", alert.Alert, alert.Annotations["summary"])
		}
	}
}

func TestNothingUnlessItIsWanted(t *testing.T) {
	objects := rendered(t)
	for _, kind := range []string{"ServiceMonitor", "PrometheusRule", "Service", "ConfigMap"} {
		if objects[kind] != "" {
			t.Errorf("by default there is a %s", kind)
		}
	}
}
