package controlplane

import "fmt"

// kubeletConfig: on a machine that is somebody's, so it reserves nothing, evicts
// nothing before the disk is full, and changes no setting of the kernel.
func kubeletConfig(l layout) string {
	return fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: %[1]s
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %[2]s}}
authorization: {mode: Webhook}
tlsCertFile: %[3]s
tlsPrivateKeyFile: %[4]s
clusterDNS: [%[1]s]
clusterDomain: %[5]s
resolvConf: %[6]s
containerRuntimeEndpoint: unix://%[7]s
podLogsDir: %[8]s
cgroupDriver: cgroupfs
cgroupRoot: %[9]s
enforceNodeAllocatable: []
failCgroupV1: false
failSwapOn: false
protectKernelDefaults: true
oomScoreAdj: 0
readOnlyPort: 0
healthzPort: 0
evictionHard: {memory.available: 50Mi, nodefs.available: 1%%, imagefs.available: 1%%}
imageGCHighThresholdPercent: 100
`, NodeAddress, l.pki(caCertificate), l.pki("kubelet.crt"), l.pki("kubelet.key"), domain, l.node.path("resolv.conf"),
		l.node.Socket(), l.node.path("pods"), l.node.CgroupRoot)
}

func proxyConfig(l layout) string {
	return fmt.Sprintf(`apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: %s}
mode: iptables
clusterCIDR: %s
# The table of connections is the whole machine's.
conntrack: {maxPerCore: 0, min: 0}
oomScoreAdj: 0
`, l.kubeconfigOf("kube-proxy"), podRange)
}

// containerdConfig: what of the plugins wants something of the machine is off.
func containerdConfig(n *Node) string {
	return fmt.Sprintf(`version = 3
root = '%[1]s'
state = '%[2]s'
oom_score = 0
disabled_plugins = [
  'io.containerd.nri.v1.nri', 'io.containerd.snapshotter.v1.erofs', 'io.containerd.differ.v1.erofs', 'io.containerd.mount-handler.v1.erofs',
  'io.containerd.snapshotter.v1.blockfile', 'io.containerd.snapshotter.v1.native',
]
[grpc]
  address = '%[3]s'
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '%[4]s'
[plugins.'io.containerd.cri.v1.runtime']
  disable_apparmor = true
  # Not everyone who is root may lower it.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ['/usr/lib/cni']
  conf_dir = '%[5]s'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = 'io.containerd.runc.v2'
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = false
`, n.path("containerd"), n.path("containerd-state"), n.Socket(), PauseImage, n.path("cni"))
}

// PauseImage is what holds a Pod's namespaces. Nobody pulls it: who uses the
// node imports it under this name.
const PauseImage = "localhost/pause:latest"

func networkConfig(n *Node) string {
	return fmt.Sprintf(`{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "%s", "ranges": [[{"subnet": "%s"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}
]}
`, n.path("addresses"), podRange)
}

// corefile: names of the cluster, and of nothing else: no packet gets out.
func corefile(l layout) string {
	return fmt.Sprintf(`%s. {
	bind %s
	errors
	kubernetes %[1]s in-addr.arpa ip6.arpa {
		kubeconfig %[3]s
		fallthrough in-addr.arpa ip6.arpa
	}
}
. {
	bind %[2]s
	template ANY ANY {
		rcode NXDOMAIN
	}
}
`, domain, NodeAddress, l.kubeconfigOf("coredns"))
}
