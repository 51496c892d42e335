package sandbox

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestACgroupGoesWithThoseBelowIt(t *testing.T) {
	folder := filepath.Join(t.TempDir(), cgroupPrefix+"1")
	if err := os.MkdirAll(filepath.Join(folder, "kubepods", "burstable", "pod1"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "k8s.io"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := removeCgroup(folder); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
	if err := removeCgroup(folder); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestNobodyIsInASandboxUnasked(t *testing.T) {
	if PID() != "" {
		t.Errorf("the first process of a sandbox is %q", PID())
	}
}

func TestFoldersThatAreOthersInside(t *testing.T) {
	for path, usable := range map[string]bool{"/run": false, "/var/lib": false, "/var/log": false, "/usr": true, t.TempDir(): true} {
		if err := CheckFolder(path); (err == nil) != usable {
			t.Errorf("%s: %v", path, err)
		}
	}
}
