// Package sandbox runs a program where a node can do the machine no harm: in
// network, mount and PID namespaces of its own. They end with their first
// process, and with them every container, mount, interface and firewall rule.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

const (
	// State is a folder in memory that only the sandbox sees.
	State = "/run/node"
	// First is the command of this program that is the sandbox's first process.
	First = "first"
	// pidVariable tells the program inside which process that is.
	pidVariable = "BITBUCKET_CONNECTOR_SANDBOX"
	// endsWithin is far more than it takes.
	endsWithin = 30 * time.Second
)

// PID is that of the first process, as those outside know it: who wants to get
// into the namespaces needs it. Empty outside.
func PID() string { return os.Getenv(pidVariable) }

// CgroupRoot is the cgroup that all of the sandbox's Pods are below.
func CgroupRoot() string { return "/" + cgroupPrefix + PID() }

// Available says why there can be no sandbox here, if that is so.
func Available() error {
	if os.Geteuid() != 0 {
		return errors.New("a node needs root")
	}
	for _, name := range []string{"ip", "iptables", "runc"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("a node needs %s: %w", name, err)
		}
	}
	if _, err := os.Stat(cniPlugins); err != nil {
		return fmt.Errorf("a node needs containernetworking-plugins: %w", err)
	}
	return nil
}

// cniPlugins is where Debian's package has them.
const cniPlugins = "/usr/lib/cni/bridge"

// Run runs this program once more with arguments, inside, until it ends or ctx
// does. Its standard input ends when this process does, however that ends:
// then it ends in order.
func Run(ctx context.Context, arguments []string) error {
	if err := Available(); err != nil {
		return err
	}
	removeCgroupsOfTheDead()
	command := exec.Command("/proc/self/exe", append([]string{First}, arguments...)...)
	command.Stdout = os.Stdout
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{
		// In its own group: Ctrl-C in a terminal reaches this process alone.
		Setpgid:    true,
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID,
	}
	lifeline, err := command.StdinPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting in namespaces of its own: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- command.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		lifeline.Close()
		select {
		case err = <-ended:
		case <-time.After(endsWithin):
			_ = command.Process.Kill()
			err = errors.Join(fmt.Errorf("the sandbox did not end within %s", endsWithin), <-ended)
		}
	}
	// It does so itself, unless it was killed.
	return errors.Join(err, removeCgroups(fmt.Sprint(command.Process.Pid)))
}

// Enter makes a sandbox of the namespaces that this process is the first in,
// runs this program in it with arguments, and returns its exit code when
// nothing of it is left. address is that of the one interface.
func Enter(address string, arguments []string) (int, error) {
	// As the first of its namespace it has number 1; /proc is still the old one.
	pid, err := os.Readlink("/proc/self")
	if err != nil {
		return 0, err
	}
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	for _, step := range []func() error{mounts, func() error { return network(address) }, func() error { return makeCgroups(pid) }} {
		if err := step(); err != nil {
			return 0, err
		}
	}
	// Not os/exec: its wait and the one for orphans would take from each other.
	process, err := os.StartProcess(program, append([]string{program}, arguments...), &os.ProcAttr{
		Env:   append(os.Environ(), pidVariable+"="+pid),
		Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return 0, err
	}
	code := reapUntil(process.Pid)
	// All but this one.
	_ = syscall.Kill(-1, syscall.SIGKILL)
	return code, removeCgroups(pid)
}

// reapUntil waits for all that end, as the first process of a PID namespace has
// to: those whose parent has gone are its children. It returns the code of one.
func reapUntil(child int) int {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case err == nil && pid == child && status.Exited():
			return status.ExitStatus()
		case err == nil && pid == child && status.Signaled():
			return 128 + int(status.Signal())
		case err != nil && !errors.Is(err, syscall.EINTR):
			return 1
		}
	}
}

// network gives the namespace one interface that leads nowhere. It is there so
// that there are an address and a default route.
func network(address string) error {
	for _, arguments := range []string{
		"link set lo up",
		// Not a dummy: Pods need veth anyway, and some kernels have no other.
		"link add eth0 type veth peer name nowhere",
		"link set nowhere up",
		"address add " + address + "/24 dev eth0",
		"link set eth0 up",
		"route add default dev eth0",
	} {
		if output, err := exec.Command("ip", strings.Fields(arguments)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", arguments, err, output)
		}
	}
	return nil
}
