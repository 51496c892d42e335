package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// running is a `cluster start` seen from outside, as other programs see it.
type running struct {
	ready
	command *exec.Cmd
	stdin   io.WriteCloser
}

func buildCluster(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "cluster")
	if output, err := exec.Command("go", "build", "-buildvcs=false", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	return program
}

func launch(t *testing.T, program string, environment []string, arguments ...string) *running {
	t.Helper()
	r := &running{command: exec.Command(program, append([]string{"start"}, arguments...)...)}
	r.command.Env = append(os.Environ(), environment...)
	r.command.Stderr = os.Stderr
	var err error
	if r.stdin, err = r.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := r.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.command.Process.Kill()
		_ = r.command.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatalf("no line on standard output: %v", err)
	}
	if err := json.Unmarshal(line, &r.ready); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	return r
}

func (r *running) kubectl(t *testing.T, arguments ...string) string {
	t.Helper()
	command := exec.Command(filepath.Join(r.Bin, "kubectl"), append([]string{"--kubeconfig", r.Kubeconfig}, arguments...)...)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(arguments, " "), err, output)
	}
	return strings.TrimSpace(string(output))
}

// mustEnd waits until none of the components runs.
func (r *running) mustEnd(t *testing.T) {
	t.Helper()
	if len(r.PIDs) != 3 {
		t.Fatalf("pids: %v", r.PIDs)
	}
	for name, pid := range r.PIDs {
		for began := time.Now(); alive(pid); time.Sleep(20 * time.Millisecond) {
			if time.Since(began) > 10*time.Second {
				t.Fatalf("%s (%d) still runs", name, pid)
			}
		}
	}
}

// alive does not count what has ended but was not yet waited for: an orphan's
// new parent does that when it likes.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !os.IsNotExist(err)
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

// TestCluster costs three starts. Where the binaries are not built yet it
// builds them, which takes minutes: `cluster build` beforehand says how far it is.
func TestCluster(t *testing.T) {
	program := buildCluster(t)
	dir := t.TempDir()

	first := launch(t, program, nil, "--dir", dir, "--audit")
	first.kubectl(t, "create", "namespace", "red")
	first.kubectl(t, "create", "serviceaccount", "robot", "--namespace", "red")
	token := first.kubectl(t, "create", "token", "robot", "--namespace", "red")
	if strings.Count(token, ".") != 2 {
		t.Fatalf("no token: %s", token)
	}
	audit, err := os.ReadFile(first.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(audit), `"requestURI":"/api/v1/namespaces/red/serviceaccounts/robot/token`) {
		t.Error("the audit log does not have the request for a token")
	}
	if out, err := exec.Command(program, "start", "--dir", dir, "--keep").CombinedOutput(); err == nil || !strings.Contains(string(out), "another cluster") {
		t.Errorf("a second one in the same folder: %v\n%s", err, out)
	}

	t.Log("the end of standard input ends everything, with success")
	first.stdin.Close()
	first.mustEnd(t)
	if err := first.command.Wait(); err != nil {
		t.Errorf("after end of input: %v", err)
	}

	output, err := exec.Command(program, "start", "--dir", dir).CombinedOutput() // its standard input has ended already
	if err != nil || !strings.Contains(string(output), "standard input ended") || strings.Contains(string(output), "kubeconfig") {
		t.Errorf("without standard input: %v\n%s", err, output)
	}

	t.Log("the same folder has the same data, and the token is still good")
	second := launch(t, program, nil, "--dir", dir)
	if second.AuditLog != "" {
		t.Errorf("auditLog %q without --audit", second.AuditLog)
	}
	// Without the kubeconfig: its certificate would count for more than the token.
	robot := &running{ready: ready{Bin: second.Bin, Kubeconfig: os.DevNull}}
	who := robot.kubectl(t, "auth", "whoami", "--output", "jsonpath={.status.userInfo.username}",
		"--server", second.Server, "--certificate-authority", filepath.Join(dir, "pki", "ca.crt"), "--token", token)
	if who != "system:serviceaccount:red:robot" {
		t.Errorf("the token is %s", who)
	}
	existing := launch(t, program, []string{"USE_EXISTING_CLUSTER=true", "KUBECONFIG=" + second.Kubeconfig})
	if existing.Server != second.Server || existing.Kubeconfig != second.Kubeconfig || len(existing.PIDs) != 0 {
		t.Errorf("existing: %+v", existing.ready)
	}
	if err := existing.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := existing.command.Wait(); err != nil {
		t.Errorf("existing: %v", err)
	}
	existing.kubectl(t, "get", "namespace", "red") // it was not ours to end

	t.Log("SIGKILL ends everything")
	if err := second.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	second.mustEnd(t)

	t.Log("a component that dies takes the others along, and is named")
	third := launch(t, program, nil, "--dir", t.TempDir(), "--keep")
	third.stdin.Close()
	time.Sleep(200 * time.Millisecond)
	if !alive(third.PIDs["etcd"]) {
		t.Error("--keep: the end of standard input ended etcd")
	}
	if err := syscall.Kill(third.PIDs["kube-controller-manager"], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	third.mustEnd(t)
	if err := third.command.Wait(); err == nil {
		t.Error("after a component died: success")
	}
}
