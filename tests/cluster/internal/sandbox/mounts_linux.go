package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// kernelSettings are those that the kubelet would change for the whole machine,
// with the values it wants. It finds them in files, and so changes nothing.
var kernelSettings = map[string]string{
	"vm/overcommit_memory":      "1",
	"vm/panic_on_oom":           "0",
	"kernel/panic":              "10",
	"kernel/panic_on_oops":      "1",
	"kernel/keys/root_maxkeys":  "1000000",
	"kernel/keys/root_maxbytes": "25000000",
}

var inMemory = []string{"/run", "/var/log"}

// inLayers can be read as it is, but for what is mounted in it.
const inLayers = "/var/lib"

// CheckFolder says whether a folder that is used on both sides would be another
// one inside.
func CheckFolder(path string) error {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	for _, hidden := range append([]string{inLayers}, inMemory...) {
		if path == hidden || strings.HasPrefix(path, hidden+"/") {
			return fmt.Errorf("a node cannot use %s: it has a %s of its own", path, hidden)
		}
	}
	return nil
}

// mounts makes all that a node writes outside of the folders it is given vanish
// with the namespace. What is mounted here is seen by nobody else.
func mounts() error {
	if err := mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	for _, folder := range inMemory {
		if err := mount("node", folder, "tmpfs", 0, "mode=0755"); err != nil {
			return err
		}
	}
	over := map[string]string{"upper": "", "work": ""}
	for name := range over {
		over[name] = filepath.Join(State, "var-lib", name)
		if err := os.MkdirAll(over[name], 0o755); err != nil {
			return err
		}
	}
	// The kubelet and CNI have fixed folders there.
	layers := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s", inLayers, over["upper"], over["work"])
	if err := mount("node", inLayers, "overlay", 0, layers); err != nil {
		return err
	}
	if err := mount("proc", "/proc", "proc", 0, ""); err != nil {
		return err
	}
	if err := hideKernelSettings(); err != nil {
		return err
	}
	// Among themselves, the node's processes and containers pass mounts on.
	return mount("none", "/", "", syscall.MS_REC|syscall.MS_SHARED, "")
}

func hideKernelSettings() error {
	for name, value := range kernelSettings {
		real, hidden := filepath.Join("/proc/sys", name), filepath.Join(State, "sysctl", name)
		if _, err := os.Stat(real); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(hidden), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(hidden, []byte(value+"\n"), 0o644); err != nil {
			return err
		}
		if err := mount(hidden, real, "", syscall.MS_BIND, ""); err != nil {
			return err
		}
	}
	return nil
}

func mount(source, target, kind string, flags uintptr, data string) error {
	if err := syscall.Mount(source, target, kind, flags, data); err != nil {
		return fmt.Errorf("mounting %s on %s: %w", source, target, err)
	}
	return nil
}
