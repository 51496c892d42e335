package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// cgroupPrefix begins the name of the one cgroup that all Pods of a sandbox are
// below; the number of its first process ends it. Cgroups are the only thing
// that does not end with the namespaces.
const cgroupPrefix = "bitbucket-connector-node-"

// hierarchies are the folders that cgroups are made in: one for each controller
// or few, or one for all of them (version 2).
func hierarchies() ([]string, error) {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var folders []string
	for line := range strings.Lines(string(table)) {
		before, after, found := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !found || len(fields) < 5 || !strings.HasPrefix(after, "cgroup") {
			continue
		}
		folders = append(folders, fields[4])
	}
	if len(folders) == 0 {
		return nil, errors.New("no cgroups are mounted")
	}
	return folders, nil
}

func makeCgroups(pid string) error {
	folders, err := hierarchies()
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if err := delegate(folder); err != nil {
			return err
		}
		if err := os.Mkdir(filepath.Join(folder, cgroupPrefix+pid), 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// controllers are those that the kubelet wants.
var controllers = []string{"cpu", "cpuset", "hugetlb", "memory", "pids"}

// delegate lets the cgroups in folder have these controllers. Only version 2 has
// to be told, and nearly everywhere systemd has done so.
func delegate(folder string) error {
	available, err := os.ReadFile(filepath.Join(folder, "cgroup.controllers"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	control := filepath.Join(folder, "cgroup.subtree_control")
	enabled, err := os.ReadFile(control)
	if err != nil {
		return err
	}
	for _, name := range controllers {
		has := func(list []byte) bool { return slices.Contains(strings.Fields(string(list)), name) }
		if !has(available) || has(enabled) {
			continue
		}
		if err := os.WriteFile(control, []byte("+"+name), 0); err != nil {
			return fmt.Errorf("the cgroup controller %s: %w", name, err)
		}
	}
	return nil
}

// removeCgroups of one sandbox. What was killed may take a moment to be gone.
func removeCgroups(pid string) error {
	folders, err := hierarchies()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(10 * time.Second)
	for _, folder := range folders {
		for {
			err := removeCgroup(filepath.Join(folder, cgroupPrefix+pid))
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				return err
			}
			time.Sleep(50 * time.Millisecond)
		}
	}
	return nil
}

// removeCgroup removes one and those below it: the files in them are not removed
// one by one.
func removeCgroup(folder string) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeCgroup(filepath.Join(folder, entry.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(folder); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// removeCgroupsOfTheDead removes what is left where both of a sandbox's
// guardians were killed at once.
func removeCgroupsOfTheDead() {
	folders, _ := hierarchies()
	for _, folder := range folders {
		found, _ := filepath.Glob(filepath.Join(folder, cgroupPrefix+"*"))
		for _, path := range found {
			pid := strings.TrimPrefix(filepath.Base(path), cgroupPrefix)
			if _, err := os.Stat(filepath.Join("/proc", pid)); errors.Is(err, fs.ErrNotExist) {
				_ = removeCgroup(path)
			}
		}
	}
}
