package binaries

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// assetsVariable is the name that Kubernetes' own test tools use.
const assetsVariable = "KUBEBUILDER_ASSETS"

// ForCluster returns a folder with everything in All: what KUBEBUILDER_ASSETS
// names where that is set, completed by building what it lacks, else built.
func ForCluster(ctx context.Context) (string, error) {
	assets := os.Getenv(assetsVariable)
	if assets == "" {
		return build(ctx, clusterModules, All)
	}
	required := []string{Etcd, APIServer, Kubectl}
	if missing := absent(assets, required); len(missing) > 0 {
		return "", fmt.Errorf("%s=%s has no %s", assetsVariable, assets, strings.Join(missing, ", "))
	}
	missing := absent(assets, All)
	if len(missing) == 0 {
		return filepath.Abs(assets)
	}
	fmt.Fprintf(os.Stderr, "%s=%s has no %s: taking what this tool builds\n",
		assetsVariable, assets, strings.Join(missing, ", "))
	return combine(ctx, All, func(name string) string { return inFolder(assets, name) })
}

// ForNode returns a folder with everything in Node. They are always built:
// nothing else hands them out together.
func ForNode(ctx context.Context) (string, error) {
	return build(ctx, nodeModules, Node)
}

// ForClient returns a folder with everything in Clients, for a cluster that
// exists already: from KUBEBUILDER_ASSETS or PATH, and built only where both lack it.
func ForClient(ctx context.Context) (string, error) {
	return combine(ctx, Clients, func(name string) string {
		if path := inFolder(os.Getenv(assetsVariable), name); path != "" {
			return path
		}
		path, err := exec.LookPath(name)
		if err != nil {
			return ""
		}
		return path
	})
}

func inFolder(folder, name string) string {
	if path := filepath.Join(folder, name); folder != "" && executable(path) {
		return path
	}
	return ""
}

// combine returns one folder that has all of names: the one where find sees all
// of them, else a folder of links to what it finds and to what is built.
func combine(ctx context.Context, names []string, find func(name string) string) (string, error) {
	paths := map[string]string{}
	folders := map[string]bool{}
	missing := []string{}
	for _, name := range names {
		path := find(name)
		if path == "" {
			missing = append(missing, name)
			continue
		}
		path, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		paths[name] = path
		folders[filepath.Dir(path)] = true
	}
	if len(missing) > 0 {
		built, err := build(ctx, clusterModules, missing)
		if err != nil {
			return "", err
		}
		for _, name := range missing {
			paths[name] = filepath.Join(built, name)
			folders[built] = true
		}
	}
	if len(folders) == 1 {
		return filepath.Dir(paths[names[0]]), nil
	}
	return linked(names, paths)
}

// linked makes the folder of links. Its name follows from what it links to: the
// same request finds it again, and another one never changes it.
func linked(names []string, paths map[string]string) (string, error) {
	root, err := root()
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	for _, name := range names {
		fmt.Fprintf(hash, "%s\n", paths[name])
	}
	folder := filepath.Join(root, "combined-"+hex.EncodeToString(hash.Sum(nil))[:12])
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	for _, name := range names {
		if err := link(paths[name], filepath.Join(folder, name)); err != nil {
			return "", err
		}
	}
	return folder, nil
}
