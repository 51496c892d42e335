package binaries

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// temporarySuffix marks what is not ready yet; a file without it is complete.
const temporarySuffix = ".tmp-"

// build returns the modules' cached folder, with those built that the wanted
// names come from. Processes that ask at the same time build once.
func build(ctx context.Context, modules []module, wanted []string) (string, error) {
	source, err := source()
	if err != nil {
		return "", err
	}
	toolchain, err := toolchain(ctx, source)
	if err != nil {
		return "", err
	}
	key, err := key(modules, source, toolchain)
	if err != nil {
		return "", err
	}
	root, err := root()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(root, key)
	if len(absent(folder, wanted)) == 0 {
		return folder, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return "", err
	}
	// Beside the folder and never removed: a lock on a file that somebody
	// else may delete locks nothing.
	unlock, err := lock(ctx, folder+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()
	removeLeftovers(folder)
	for _, module := range modules {
		if !module.yields(absent(folder, wanted)) {
			continue
		}
		if err := module.build(ctx, source, folder); err != nil {
			return "", err
		}
	}
	if missing := absent(folder, wanted); len(missing) > 0 {
		return "", fmt.Errorf("%s has no %s after the build", folder, strings.Join(missing, ", "))
	}
	return folder, nil
}

// yields says whether one of names comes from this module.
func (m module) yields(names []string) bool {
	for _, name := range names {
		for _, own := range m.names {
			if name == own {
				return true
			}
		}
	}
	return false
}

// build makes the module's file, unless only links to it were lost, then the links.
func (m module) build(ctx context.Context, source, folder string) error {
	file := filepath.Join(folder, m.name)
	if !executable(file) {
		if err := m.compile(ctx, source, file); err != nil {
			return err
		}
	}
	for _, name := range m.names {
		if name == m.name {
			continue
		}
		// Relative, so that a cache restored at another path still works.
		if err := link(m.name, filepath.Join(folder, name)); err != nil {
			return err
		}
	}
	return nil
}

func (m module) compile(ctx context.Context, source, file string) error {
	version, err := m.version(source)
	if err != nil {
		return err
	}
	temporary := fmt.Sprintf("%s%s%d", file, temporarySuffix, os.Getpid())
	defer os.Remove(temporary)

	what := fmt.Sprintf("%s %s", m.name, version)
	if len(m.names) > 1 {
		what += " (" + strings.Join(m.names, ", ") + ")"
	}
	progress := newProgress(os.Stderr, what)
	command := exec.CommandContext(ctx, "go", m.arguments(version, temporary)...)
	command.Dir = filepath.Join(source, m.folder)
	command.Env = environment()
	command.Stderr = progress
	// go starts compilers: end the whole group, or they go on for a while.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	command.WaitDelay = 5 * time.Second
	err = command.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		err = publish(temporary, file)
	}
	progress.end(err)
	if err != nil {
		return fmt.Errorf("building %s: %w", what, err)
	}
	return nil
}

// publish gives a finished file its name. It is written to the disk before, so
// that not even a power failure leaves an empty file under that name.
func publish(temporary, file string) error {
	written, err := os.Open(temporary)
	if err != nil {
		return err
	}
	defer written.Close()
	if err := written.Sync(); err != nil {
		return err
	}
	return os.Rename(temporary, file)
}

// removeLeftovers of builds that were killed. Only under the lock: nobody else
// is building then.
func removeLeftovers(folder string) {
	leftovers, _ := filepath.Glob(filepath.Join(folder, "*"+temporarySuffix+"*"))
	for _, path := range leftovers {
		_ = os.Remove(path)
	}
}
