// Package binaries provides the programs of a Kubernetes control plane, and of
// a node: it builds them from their Go modules into a cache, or takes ready ones.
package binaries

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// The programs a folder of binaries holds, by the names they are called with.
const (
	Etcd              = "etcd"
	APIServer         = "kube-apiserver"
	ControllerManager = "kube-controller-manager"
	Kubectl           = "kubectl"
	Helm              = "helm"

	Kubelet    = "kubelet"
	Proxy      = "kube-proxy"
	Scheduler  = "kube-scheduler"
	Containerd = "containerd"
	Shim       = "containerd-shim-runc-v2"
	Ctr        = "ctr"
	CoreDNS    = "coredns"
)

// All is what a complete folder holds.
var All = []string{Etcd, APIServer, ControllerManager, Kubectl, Helm}

// Node is what runs Pods, beside a control plane.
var Node = []string{Kubelet, Proxy, Scheduler, Containerd, Shim, Ctr, CoreDNS}

// Clients is what is needed beside a cluster that exists already.
var Clients = []string{Kubectl, Helm}

// absent lists those of names that folder has not got as something executable.
func absent(folder string, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return executable(filepath.Join(folder, name))
	})
}

// executable follows links, so that a link to a file that is gone counts as absent.
func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && info.Size() > 0
}

// link makes path a symbolic link to target, replacing whatever was there. The
// rename makes it atomic: another process sees the old link or the new one.
func link(target, path string) error {
	temporary := fmt.Sprintf("%s%s%d", path, temporarySuffix, os.Getpid())
	_ = os.Remove(temporary)
	if err := os.Symlink(target, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
