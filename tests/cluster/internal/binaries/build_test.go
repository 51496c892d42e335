package binaries

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeGo puts a `go` in PATH that builds at once, and notes what it built.
func fakeGo(t *testing.T, script string) (builds func() []string) {
	t.Helper()
	folder := t.TempDir()
	log := filepath.Join(folder, "log")
	write(t, filepath.Join(folder, "go"), `#!/bin/sh
[ "$1" = env ] && { echo go1.26; exit; }
while [ "$1" != -o ]; do shift; done
echo "$(basename "$2" | sed 's/\.tmp-.*//')" >> `+log+"\n"+script)
	t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv(assetsVariable, "")
	return func() []string {
		content, _ := os.ReadFile(log)
		return strings.Fields(string(content))
	}
}

const works = "sleep 0.2; echo program > \"$2\"; chmod +x \"$2\"\n"

func mustProvide(t *testing.T) string {
	t.Helper()
	folder, err := ForCluster(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if missing := absent(folder, All); len(missing) > 0 {
		t.Fatalf("%s lacks %v", folder, missing)
	}
	return folder
}

func TestBuildsOnceAndAgainOnlyWhatIsLost(t *testing.T) {
	builds := fakeGo(t, works)
	folder := mustProvide(t)
	mustProvide(t)
	if got := builds(); !slices.Equal(got, []string{"kubernetes", "helm"}) {
		t.Fatalf("built %v", got)
	}
	_ = os.Remove(filepath.Join(folder, Kubectl)) // a link only
	mustProvide(t)
	if got := builds(); len(got) != 2 {
		t.Errorf("a lost link was built: %v", got)
	}
	_ = os.Remove(filepath.Join(folder, "kubernetes")) // leaves links to nothing
	mustProvide(t)
	if got := builds(); !slices.Equal(got[2:], []string{"kubernetes"}) {
		t.Errorf("a lost file: built %v", got[2:])
	}
}

func TestTwoAtOnceBuildOnce(t *testing.T) {
	builds := fakeGo(t, works)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := ForCluster(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := builds(); len(got) != 2 {
		t.Errorf("built %v", got)
	}
}

func TestFailedBuildLeavesNothingThatLooksReady(t *testing.T) {
	fakeGo(t, "echo half > \"$2\"; chmod +x \"$2\"; echo 'x.go:1: wrong' >&2; exit 1\n")
	if folder, err := ForCluster(context.Background()); err == nil {
		t.Fatalf("no error, but %s", folder)
	}
	files, _ := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "bitbucket-connector/cluster/*/*"))
	if len(files) > 0 {
		t.Errorf("left %v", files)
	}
}

func TestCancelEndsTheBuild(t *testing.T) {
	fakeGo(t, "sleep 60\n")
	asked := errors.New("asked to end")
	ctx, cancel := context.WithCancelCause(context.Background())
	time.AfterFunc(500*time.Millisecond, func() { cancel(asked) })
	began := time.Now()
	if _, err := ForCluster(ctx); !errors.Is(err, asked) {
		t.Errorf("ended with %v", err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("ended after %s", took)
	}
}

func TestAssetsAreUsedAsTheyAre(t *testing.T) {
	builds := fakeGo(t, works)
	assets := t.TempDir()
	for _, name := range All {
		write(t, filepath.Join(assets, name), "ready")
	}
	t.Setenv(assetsVariable, assets)
	if folder := mustProvide(t); folder != assets {
		t.Errorf("%s instead of %s", folder, assets)
	}
	if got := builds(); len(got) > 0 {
		t.Errorf("built %v", got)
	}
}

func TestAssetsAreCompleted(t *testing.T) {
	builds := fakeGo(t, works)
	assets := t.TempDir()
	for _, name := range []string{Etcd, APIServer, Kubectl, ControllerManager} {
		write(t, filepath.Join(assets, name), "ready")
	}
	t.Setenv(assetsVariable, assets)
	folder := mustProvide(t)
	if got := builds(); !slices.Equal(got, []string{"helm"}) {
		t.Errorf("built %v", got)
	}
	if content, _ := os.ReadFile(filepath.Join(folder, Etcd)); string(content) != "ready" {
		t.Errorf("etcd is %q, not the one of %s", content, assetsVariable)
	}
	_ = os.Remove(filepath.Join(assets, Kubectl))
	if _, err := ForCluster(context.Background()); err == nil || !strings.Contains(err.Error(), "has no kubectl") {
		t.Errorf("without kubectl: %v", err)
	}
}

func TestClientToolsComeFromPath(t *testing.T) {
	builds := fakeGo(t, works)
	tools := t.TempDir()
	write(t, filepath.Join(tools, Kubectl), "ready")
	write(t, filepath.Join(tools, Helm), "ready")
	t.Setenv("PATH", tools)
	folder, err := ForClient(context.Background())
	if err != nil || folder != tools {
		t.Errorf("%s, %v instead of %s", folder, err, tools)
	}
	if got := builds(); len(got) > 0 {
		t.Errorf("built %v", got)
	}
}

func TestANodesProgramsAreApart(t *testing.T) {
	builds := fakeGo(t, works)
	cluster := mustProvide(t)
	folder, err := ForNode(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if missing := absent(folder, Node); folder == cluster || len(missing) > 0 {
		t.Errorf("%s lacks %v", folder, missing)
	}
	want := []string{"node", "containerd", "containerd-shim-runc-v2", "ctr", "coredns"}
	if got := builds(); !slices.Equal(got[2:], want) {
		t.Errorf("built %v", got[2:])
	}
	if again, err := ForNode(context.Background()); err != nil || again != folder || len(builds()) != 7 {
		t.Errorf("%s, %v, and built %v", again, err, builds())
	}
}
