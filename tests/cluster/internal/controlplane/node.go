package controlplane

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"

	"bitbucket-connector/cluster/internal/binaries"
)

// Node asks for a node beside the control plane. It has to be run in a network
// where NodeAddress is this machine's: see package sandbox.
type Node struct {
	Bin        string // the folder of its binaries
	State      string // what it keeps while it runs: images, volumes, sockets
	CgroupRoot string // what its Pods are below
}

const (
	// NodeAddress is what the API server and the node listen at for each other
	// and for Pods.
	NodeAddress = "10.245.0.10"
	nodeName    = "node"
	podRange    = "10.244.0.0/24"
	domain      = "cluster.local"
)

func (n *Node) path(name string) string { return filepath.Join(n.State, name) }

// Socket is containerd's.
func (n *Node) Socket() string { return n.path("containerd.sock") }

// prepareNode writes the files that the node's components read.
func prepareNode(l layout) error {
	node := l.node
	for _, folder := range []string{"kubelet", "pods", "cni"} {
		if err := os.MkdirAll(node.path(folder), 0o700); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"kubelet.yaml":     kubeletConfig(l),
		"kube-proxy.yaml":  proxyConfig(l),
		"containerd.toml":  containerdConfig(node),
		"Corefile":         corefile(l),
		"resolv.conf":      "",
		"cni/net.conflist": networkConfig(node),
	} {
		if err := os.WriteFile(node.path(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	for _, name := range []string{binaries.Kubelet, binaries.Proxy, binaries.Scheduler, binaries.CoreDNS} {
		err := writeKubeconfig(l.kubeconfigOf(name), l.server(), l.path("pki"), name+".crt", name+".key", name)
		if err != nil {
			return err
		}
	}
	return nil
}

// nodeSteps start what runs Pods, each when the one before is ready.
func nodeSteps(l layout, client *http.Client) []step {
	node := l.node
	dns := net.JoinHostPort(NodeAddress, "53")
	return []step{
		{binaries.Scheduler, node.Bin, []string{
			"--kubeconfig=" + l.kubeconfigOf(binaries.Scheduler), "--leader-elect=false", "--secure-port=0",
		}, nil},
		{binaries.Containerd, node.Bin, []string{"--config=" + node.path("containerd.toml")}, listens("unix", node.Socket())},
		{binaries.Kubelet, node.Bin, []string{
			"--config=" + node.path("kubelet.yaml"), "--kubeconfig=" + l.kubeconfigOf(binaries.Kubelet),
			"--hostname-override=" + nodeName, "--node-ip=" + NodeAddress,
			"--root-dir=" + node.path("kubelet"), "--cert-dir=" + node.path("kubelet/pki"),
		}, func(ctx context.Context) error { return nodeReady(ctx, client, l.server()) }},
		{binaries.Proxy, node.Bin, []string{
			"--config=" + node.path("kube-proxy.yaml"), "--hostname-override=" + nodeName,
		}, nil},
		{binaries.CoreDNS, node.Bin, []string{"-conf=" + node.path("Corefile")}, listens("tcp", dns)},
	}
}

func listens(network, address string) func(context.Context) error {
	return func(ctx context.Context) error {
		connection, err := new(net.Dialer).DialContext(ctx, network, address)
		if err == nil {
			err = connection.Close()
		}
		return err
	}
}

// nodeReady says why the node takes no Pods yet.
func nodeReady(ctx context.Context, client *http.Client, server string) error {
	body, err := read(ctx, client, server+"/api/v1/nodes/"+nodeName)
	if err != nil {
		return err
	}
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := json.Unmarshal(body, &node); err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == "Ready" {
			if condition.Status == "True" {
				return nil
			}
			return fmt.Errorf("the node is not Ready: %s", condition.Message)
		}
	}
	return fmt.Errorf("the node does not say whether it is Ready")
}
