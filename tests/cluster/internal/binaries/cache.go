package binaries

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// root is the folder below which everything this package makes is kept.
func root() (string, error) {
	base := os.Getenv("XDG_CACHE_HOME")
	// The XDG specification says that a relative path is to be ignored.
	if !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no place for the cache: set XDG_CACHE_HOME or HOME: %w", err)
		}
		base = filepath.Join(home, ".cache")
	}
	return filepath.Join(base, "bitbucket-connector", "cluster"), nil
}

// key names the folder of the binaries: versions for the reader, a hash over
// every input for correctness. Whatever changes the result changes the key, so
// that a folder is never stale, only unused.
func key(modules []module, source, toolchain string) (string, error) {
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\n", toolchain)
	name, known := "", map[string]bool{}
	for _, module := range modules {
		version, err := module.version(source)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(hash, "%q\n", module.arguments(version, ""))
		if known[module.folder] {
			continue
		}
		known[module.folder] = true
		name += fmt.Sprintf("%s-%s-", module.name, strings.TrimPrefix(version, "v"))
		if err := hashFiles(hash, filepath.Join(source, module.folder)); err != nil {
			return "", err
		}
	}
	return name + hex.EncodeToString(hash.Sum(nil))[:12], nil
}

// hashFiles adds what Go reads of a module: other files are notes for people.
func hashFiles(hash io.Writer, folder string) error {
	return filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		switch filepath.Ext(path) {
		case ".go", ".mod", ".sum":
		default:
			return nil
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		fmt.Fprintf(hash, "%s %d\n%s\n", filepath.ToSlash(relative), len(content), content)
		return nil
	})
}

// toolchain is what of the Go installation shapes the result.
func toolchain(ctx context.Context, source string) (string, error) {
	command := exec.CommandContext(ctx, "go", "env", "GOVERSION", "GOOS", "GOARCH", "GOAMD64", "GOARM64")
	command.Dir = filepath.Join(source, clusterModules[0].folder)
	command.Env = environment()
	command.Stderr = os.Stderr
	output, err := command.Output()
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if err != nil {
		return "", fmt.Errorf("go is needed to build the cluster's binaries: %w", err)
	}
	return string(output), nil
}

// environment for go: the user's own, but for what would make the result
// another one than the checked-in module files describe.
func environment() []string {
	// Not just empty: then what `go env -w GOFLAGS=` left behind would count.
	return append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOFLAGS=-mod=readonly")
}
