package binaries

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

// fakeSource is a folder of build modules as far as the key looks at them.
func fakeSource(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	write(t, filepath.Join(folder, "kubernetes/go.mod"),
		"module x\n\nrequire (\n\tk8s.io/kubectl v0.0.0\n\tk8s.io/kubernetes v1.36.3\n)\n\nreplace k8s.io/api => k8s.io/api v0.36.3\n")
	write(t, filepath.Join(folder, "kubernetes/go.sum"), "a\n")
	write(t, filepath.Join(folder, "kubernetes/main.go"), "package main\n")
	write(t, filepath.Join(folder, "helm/go.mod"), "module y\n\nrequire helm.sh/helm/v4 v4.3.1 // indirect\n")
	return folder
}

func mustKey(t *testing.T, source, toolchain string) string {
	t.Helper()
	name, err := key(clusterModules, source, toolchain)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestKeyNamesVersionsAndIsStable(t *testing.T) {
	first := mustKey(t, fakeSource(t), "go1.26")
	if !regexp.MustCompile(`^kubernetes-1\.36\.3-helm-4\.3\.1-[0-9a-f]{12}$`).MatchString(first) {
		t.Errorf("key is %q", first)
	}
	if second := mustKey(t, fakeSource(t), "go1.26"); second != first {
		t.Errorf("the same files at another place have another key: %q, %q", first, second)
	}
}

func TestKeyFollowsEveryInput(t *testing.T) {
	seen := map[string]string{mustKey(t, fakeSource(t), "go1.26"): "nothing"}
	changed := func(what, key string) {
		if before, found := seen[key]; found {
			t.Errorf("changing %s gives the key of changing %s", what, before)
		}
		seen[key] = what
	}
	changed("the toolchain", mustKey(t, fakeSource(t), "go1.27"))
	for file, content := range map[string]string{
		"kubernetes/go.mod":   "module x\n\nrequire k8s.io/kubernetes v1.36.4\n",
		"kubernetes/go.sum":   "b\n",
		"kubernetes/main.go":  "package main // other\n",
		"kubernetes/other.go": "package main\n",
		"helm/go.sum":         "c\n",
	} {
		source := fakeSource(t)
		write(t, filepath.Join(source, file), content)
		changed(file, mustKey(t, source, "go1.26"))
	}
}

func TestKeyIgnoresNotes(t *testing.T) {
	source := fakeSource(t)
	before := mustKey(t, source, "go1.26")
	write(t, filepath.Join(source, "kubernetes/README.md"), "note")
	if after := mustKey(t, source, "go1.26"); after != before {
		t.Error("a README changes the key")
	}
}

func TestKeyNeedsVersions(t *testing.T) {
	source := fakeSource(t)
	write(t, filepath.Join(source, "helm/go.mod"), "module y\n")
	if name, err := key(clusterModules, source, "go1.26"); err == nil {
		t.Errorf("a module without a version has the key %q", name)
	}
}

func TestCheckedInModulesHaveVersions(t *testing.T) {
	source, err := source()
	if err != nil {
		t.Fatal(err)
	}
	mustKey(t, source, "go1.26")
}

func TestRootFollowsXDG(t *testing.T) {
	t.Setenv("HOME", "/home/somebody")
	for value, want := range map[string]string{
		"/elsewhere": "/elsewhere/bitbucket-connector/cluster",
		"":           "/home/somebody/.cache/bitbucket-connector/cluster",
		"relative":   "/home/somebody/.cache/bitbucket-connector/cluster",
	} {
		t.Setenv("XDG_CACHE_HOME", value)
		if got, err := root(); err != nil || got != want {
			t.Errorf("XDG_CACHE_HOME=%q: %q, %v, not %q", value, got, err, want)
		}
	}
}
