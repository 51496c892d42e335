package binaries

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

// A module is one program of one checked-in Go module, and the names by which
// its file is called.
type module struct {
	name     string   // of the file it yields
	folder   string   // of the Go module, below build/
	requires string   // the Go module whose version it is known by
	pkg      string   // what to build, as seen from its folder
	tags     string   // what to leave out of it
	names    []string // those that are not name itself are links to it
}

const (
	kubernetes = "k8s.io/kubernetes"
	containerd = "github.com/containerd/containerd/v2"
	coredns    = "github.com/coredns/coredns"
	helm       = "helm.sh/helm/v4"
)

// clusterModules make All. Kubernetes and helm need other versions of the same
// dependencies, hence two.
var clusterModules = []module{
	{
		name: "kubernetes", folder: "kubernetes", requires: kubernetes, pkg: ".",
		names: []string{Etcd, APIServer, ControllerManager, Kubectl},
	},
	{name: Helm, folder: "helm", requires: helm, pkg: helm + "/cmd/helm", names: []string{Helm}},
}

// nodeModules make Node, in a folder of their own: most tests have no node. A
// program of Kubernetes' module shares its versions, and what is compiled.
var nodeModules = []module{
	{
		name: "node", folder: "kubernetes", requires: kubernetes, pkg: "./node",
		names: []string{Kubelet, Proxy, Scheduler},
	},
	// Three files: what containerd registers on its start, the shim must not.
	containerdProgram(Containerd),
	containerdProgram(Shim),
	containerdProgram(Ctr),
	{name: CoreDNS, folder: "coredns", requires: coredns, pkg: coredns, names: []string{CoreDNS}},
}

func containerdProgram(name string) module {
	return module{
		name: name, folder: "containerd", requires: containerd, pkg: containerd + "/cmd/" + name,
		tags: "no_btrfs,no_devmapper,no_zfs", names: []string{name},
	}
}

// version reads the module's version from its go.mod, the only place it is written.
func (m module) version(source string) (string, error) {
	path := filepath.Join(source, m.folder, "go.mod")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	line := regexp.MustCompile(`(?m)^(?:require|\t)\s*` + regexp.QuoteMeta(m.requires) + ` (v[0-9]\S*)`)
	found := line.FindSubmatch(text)
	if found == nil {
		return "", fmt.Errorf("%s requires no version of %s", path, m.requires)
	}
	return string(found[1]), nil
}

// arguments are those of `go` that build the module into output. Everything
// that shapes the result is here or in the module's files: both go into the key.
func (m module) arguments(version, output string) []string {
	ldflags := append([]string{"-s", "-w"}, m.stamp(version)...)
	return []string{
		"build", "-v", "-trimpath",
		// The result must not depend on the commit of the checkout around it, and
		// a checkout owned by somebody else must not make git refuse the build.
		"-buildvcs=false",
		// The linker drops debug information anyway (-w). Not having the
		// compiler make it saves a fifth of the time.
		"-gcflags=all=-dwarf=false",
		"-ldflags", strings.Join(ldflags, " "),
		"-tags", m.tags,
		"-o", output, m.pkg,
	}
}

// stamp is how the linker tells the program its version.
func (m module) stamp(version string) []string {
	switch m.requires {
	case helm:
		return []string{"-X", "helm.sh/helm/v4/internal/version.version=" + version}
	case containerd:
		return []string{"-X", containerd + "/version.Version=" + version}
	case kubernetes:
		number := strings.Split(strings.TrimPrefix(version, "v"), ".")
		const variable = "k8s.io/component-base/version."
		return []string{
			"-X", variable + "gitVersion=" + version,
			"-X", variable + "gitMajor=" + number[0],
			"-X", variable + "gitMinor=" + number[1],
		}
	}
	return nil // it knows
}

// source finds the folder of the build modules. They cannot be embedded: Go
// refuses to embed files of another module.
func source() (string, error) {
	const below = "tests/cluster/build"
	// Where this very file was compiled from, unless -trimpath hid it.
	if _, file, _, ok := runtime.Caller(0); ok && filepath.IsAbs(file) {
		if folder := filepath.Join(filepath.Dir(file), "../../build"); isDirectory(folder) {
			return folder, nil
		}
	}
	here, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if folder := filepath.Join(here, below); isDirectory(folder) {
			return folder, nil
		}
		parent := filepath.Dir(here)
		if parent == here {
			return "", errors.New(below + " is not here nor in a folder above: run this inside the checkout")
		}
		here = parent
	}
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
