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

// A module is one checked-in Go module that yields one file, and the names by
// which that file is called.
type module struct {
	name     string // of its folder below build/, and of the file it yields
	requires string // the Go module whose version it is known by
	pkg      string // what to build, as seen from its folder
	names    []string
}

// Kubernetes and helm need other versions of the same dependencies, hence two.
var modules = []module{
	{
		name:     "kubernetes",
		requires: "k8s.io/kubernetes",
		pkg:      ".",
		names:    []string{Etcd, APIServer, ControllerManager, Kubectl},
	},
	{
		name:     Helm,
		requires: "helm.sh/helm/v4",
		pkg:      "helm.sh/helm/v4/cmd/helm",
		names:    []string{Helm},
	},
}

// version reads the module's version from its go.mod, the only place it is written.
func (m module) version(source string) (string, error) {
	path := filepath.Join(source, m.name, "go.mod")
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
	ldflags := []string{"-s", "-w"}
	if m.name == Helm {
		ldflags = append(ldflags, "-X", "helm.sh/helm/v4/internal/version.version="+version)
	} else {
		number := strings.Split(strings.TrimPrefix(version, "v"), ".")
		const variable = "k8s.io/component-base/version."
		ldflags = append(ldflags,
			"-X", variable+"gitVersion="+version,
			"-X", variable+"gitMajor="+number[0],
			"-X", variable+"gitMinor="+number[1])
	}
	return []string{
		"build", "-v", "-trimpath",
		// The result must not depend on the commit of the checkout around it, and
		// a checkout owned by somebody else must not make git refuse the build.
		"-buildvcs=false",
		// The linker drops debug information anyway (-w). Not having the
		// compiler make it saves a fifth of the time.
		"-gcflags=all=-dwarf=false",
		"-ldflags", strings.Join(ldflags, " "),
		"-o", output, m.pkg,
	}
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
