package controlplane

import (
	"fmt"
	"path/filepath"

	"bitbucket-connector/cluster/internal/binaries"
)

// layout says where in DIR things are, and at which ports of this start.
type layout struct {
	dir                               string
	audit                             bool
	etcdPort, etcdPeerPort, apiserver int
	node                              *Node // nil: none
}

func (l layout) path(name string) string { return filepath.Join(l.dir, name) }
func (l layout) pki(name string) string  { return filepath.Join(l.dir, "pki", name) }
func (l layout) kubeconfig() string      { return l.path("kubeconfig") }
func (l layout) managerConfig() string   { return l.kubeconfigOf("controller-manager") }
func (l layout) kubeconfigOf(component string) string {
	return l.path(component + ".kubeconfig")
}
func (l layout) auditLog() string       { return l.path("audit.log") }
func (l layout) auditPolicy() string    { return l.path("audit-policy.yaml") }
func (l layout) log(name string) string { return l.path(name + ".log") }
func (l layout) server() string         { return loopback("https", l.apiserver) }
func (l layout) etcdURL() string        { return loopback("https", l.etcdPort) }

func loopback(scheme string, port int) string {
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, port)
}

func (l layout) etcd() []string {
	peer := loopback("http", l.etcdPeerPort)
	return []string{
		"--name=test",
		"--data-dir=" + l.path(binaries.Etcd),
		"--listen-client-urls=" + l.etcdURL(),
		"--advertise-client-urls=" + l.etcdURL(),
		"--listen-peer-urls=" + peer,
		"--initial-advertise-peer-urls=" + peer,
		"--initial-cluster=test=" + peer,
		// With certificates also because of ports: should another cluster's etcd
		// have taken this one, nobody must take it for ours.
		"--cert-file=" + l.pki(serverCertificate),
		"--key-file=" + l.pki(serverKey),
		"--trusted-ca-file=" + l.pki(caCertificate),
		"--client-cert-auth",
		// It would dial etcd with the server's certificate, which is no client's.
		"--enable-grpc-gateway=false",
		// Nobody mourns the data of a test after a power failure.
		"--unsafe-no-fsync",
		"--log-level=warn",
	}
}

func (l layout) kubeAPIServer() []string {
	arguments := []string{
		"--etcd-servers=" + l.etcdURL(),
		"--etcd-cafile=" + l.pki(caCertificate),
		"--etcd-certfile=" + l.pki(adminCertificate),
		"--etcd-keyfile=" + l.pki(adminKey),
		fmt.Sprintf("--secure-port=%d", l.apiserver),
		"--tls-cert-file=" + l.pki(serverCertificate),
		"--tls-private-key-file=" + l.pki(serverKey),
		"--client-ca-file=" + l.pki(caCertificate),
		"--service-account-key-file=" + l.pki(serviceAccountPub),
		"--service-account-signing-key-file=" + l.pki(serviceAccountKey),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-cluster-ip-range=" + serviceRange,
		"--authorization-mode=Node,RBAC",
		"--allow-privileged=true",
	}
	arguments = append(arguments, l.reachable()...)
	if l.audit {
		arguments = append(arguments,
			"--audit-policy-file="+l.auditPolicy(),
			"--audit-log-path="+l.auditLog(),
			"--audit-log-format=json",
			// An event is in the file before its call is through, not some time later.
			"--audit-log-mode=blocking",
			// Never renamed, however long it gets: its readers know one file.
			"--audit-log-maxsize=0",
		)
	}
	return arguments
}

// reachable says at which address the API server can be asked, and by whom.
func (l layout) reachable() []string {
	if l.node == nil {
		return []string{
			"--bind-address=127.0.0.1",
			// Both, so that it starts on a machine without a default route: left
			// alone it looks for an address that other machines reach, to write it
			// into the endpoints of the Service "kubernetes", which no pod here uses.
			"--advertise-address=127.0.0.1",
			"--endpoint-reconciler-type=none",
		}
	}
	return []string{
		"--bind-address=0.0.0.0",
		"--advertise-address=" + NodeAddress,
		"--enable-admission-plugins=NodeRestriction",
		"--kubelet-client-certificate=" + l.pki(adminCertificate),
		"--kubelet-client-key=" + l.pki(adminKey),
		"--kubelet-certificate-authority=" + l.pki(caCertificate),
		"--kubelet-preferred-address-types=InternalIP",
	}
}

func (l layout) kubeControllerManager() []string {
	return []string{
		"--kubeconfig=" + l.managerConfig(),
		"--service-account-private-key-file=" + l.pki(serviceAccountKey),
		"--root-ca-file=" + l.pki(caCertificate),
		"--leader-elect=false",
		// Its own server is of no use here, and its port would be one more to collide.
		"--secure-port=0",
		// The defaults protect a server that many share; here they only make
		// the removal of a namespace slow.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}
}

// auditPolicyText records every call once, when its answer has gone out. Of a
// connection whose status was written it shows what has become of it: a watch
// may miss what was written in between, and the tests look at each.
const auditPolicyText = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: RequestResponse
  omitManagedFields: true
  verbs: [patch, update]
  resources: [{group: bitbucket-connector.dev, resources: [bitbucketconnections/status]}]
- level: Metadata
`
