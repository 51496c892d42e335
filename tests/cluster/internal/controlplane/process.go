package controlplane

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A process is one component that was started.
type process struct {
	name  string
	log   string
	pid   int
	ended chan struct{} // closed when it is gone; state is set before
	state string
}

// startProcess runs bin/name with its output in the file log. Environment
// variables that the component would read as options are kept from it.
func startProcess(bin, name, log string, arguments []string) (*process, error) {
	output, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer output.Close()
	command := exec.Command(filepath.Join(bin, name), arguments...)
	command.Stdout = output
	command.Stderr = output
	command.Dir = filepath.Dir(log)
	command.SysProcAttr = childAttributes()
	for _, variable := range []string{"PATH", "HOME", "TMPDIR"} {
		if value, found := os.LookupEnv(variable); found {
			command.Env = append(command.Env, variable+"="+value)
		}
	}
	if err := startOnLastingThread(command); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	p := &process{name: name, log: log, pid: command.Process.Pid, ended: make(chan struct{})}
	go func() {
		_ = command.Wait()
		p.state = command.ProcessState.String()
		close(p.ended)
	}()
	return p, nil
}

// stop ends the process; first politely where it gets a time for that.
func (p *process) stop(grace time.Duration) {
	if grace > 0 {
		_ = syscall.Kill(-p.pid, syscall.SIGTERM)
		select {
		case <-p.ended:
			return
		case <-time.After(grace):
		}
	}
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.ended
}

// hasEnded also says how, and why, as far as its log tells.
func (p *process) hasEnded() error {
	select {
	case <-p.ended:
		return &endedError{p}
	default:
		return nil
	}
}

// endedError is a component that ended though nobody asked it to.
type endedError struct{ process *process }

func (e *endedError) Error() string {
	p := e.process
	return fmt.Sprintf("%s ended unexpectedly (%s); the last lines of %s:\n%s", p.name, p.state, p.log, tail(p.log, 20))
}

// addressInUse says whether somebody else had taken its port.
func (e *endedError) addressInUse() bool {
	return strings.Contains(tail(e.process.log, 20), "address already in use")
}

// tail returns the last lines of a file that may be large.
func tail(path string, lines int) string {
	const enough = 32 << 10
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > enough {
		_, _ = file.Seek(-enough, io.SeekEnd)
	}
	content, err := io.ReadAll(file)
	if err != nil {
		return err.Error()
	}
	all := bytes.Split(bytes.TrimSpace(content), []byte("\n"))
	return string(bytes.Join(all[max(0, len(all)-lines):], []byte("\n")))
}
