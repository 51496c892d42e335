package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestFreePorts(t *testing.T) {
	ports, err := freePorts(20)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for _, port := range ports {
		if seen[port] {
			t.Errorf("%d twice", port)
		}
		seen[port] = true
		listener, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			t.Errorf("%d is not free: %v", port, err)
			continue
		}
		listener.Close()
	}
}

// script makes a component of a shell script.
func script(t *testing.T, bin, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestAnEndedComponentIsNamedWithItsLog(t *testing.T) {
	bin := t.TempDir()
	script(t, bin, "etcd", "echo the reason; exit 3\n")
	process, err := startProcess(bin, "etcd", filepath.Join(bin, "etcd.log"), nil)
	if err != nil {
		t.Fatal(err)
	}
	<-process.ended
	err = process.hasEnded()
	for _, want := range []string{"etcd ended unexpectedly", "exit status 3", "the reason"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

func TestStopEndsWhatDoesNotListen(t *testing.T) {
	bin := t.TempDir()
	script(t, bin, "etcd", "trap '' TERM; sleep 60 & sleep 60; sleep 60\n")
	process, err := startProcess(bin, "etcd", filepath.Join(bin, "etcd.log"), nil)
	if err != nil {
		t.Fatal(err)
	}
	process.stop(50 * time.Millisecond)
	for range 100 {
		if syscall.Kill(-process.pid, 0) == syscall.ESRCH {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Error("something of its group is left")
}

func TestALostPortIsTriedAgain(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	script(t, bin, "etcd", `echo x >> "$PWD/starts"; echo "listen tcp: bind: address already in use"; exit 1`+"\n")
	_, err := Start(context.Background(), Options{Bin: bin, Dir: dir})
	var ended *endedError
	if !errors.As(err, &ended) {
		t.Fatalf("ended with %v", err)
	}
	if starts, _ := os.ReadFile(filepath.Join(dir, "starts")); len(starts) != 2*attempts {
		t.Errorf("started %d times, not %d", len(starts)/2, attempts)
	}
}

func TestAnotherFailureIsNotTriedAgain(t *testing.T) {
	bin, dir := t.TempDir(), t.TempDir()
	script(t, bin, "etcd", `echo x >> "$PWD/starts"; exit 1`+"\n")
	if _, err := Start(context.Background(), Options{Bin: bin, Dir: dir}); err == nil {
		t.Fatal("no error")
	}
	if starts, _ := os.ReadFile(filepath.Join(dir, "starts")); len(starts) != 2 {
		t.Errorf("started %d times", len(starts)/2)
	}
}

func TestOneClusterAFolder(t *testing.T) {
	dir := t.TempDir()
	release, err := claim(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := claim(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("second claim: %v", err)
	}
	release()
	release, err = claim(dir)
	if err != nil {
		t.Errorf("after the first has gone: %v", err)
	}
	release()
}

func TestTailOfALargeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(strings.Repeat("line\n", 100000)+"a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := tail(path, 3); got != "line\na\nb" {
		t.Errorf("%q", got)
	}
}
