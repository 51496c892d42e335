package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bitbucket-connector/cluster/internal/binaries"
	"bitbucket-connector/cluster/internal/controlplane"
	"bitbucket-connector/cluster/internal/sandbox"
)

// readyNode is what of a node stands on the ready line.
type readyNode struct {
	PID    string `json:"pid"` // whose namespaces it is in
	Bin    string `json:"bin"`
	Socket string `json:"socket"` // containerd's
}

// runSandboxed runs what this call asks for in namespaces of its own.
func runSandboxed(ctx context.Context, options startOptions) error {
	if err := sandbox.Available(); err != nil {
		return err
	}
	// Now: there is no network in there.
	bin, err := binaries.ForCluster(ctx)
	if err != nil {
		return err
	}
	nodeBin, err := binaries.ForNode(ctx)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(options.dir)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, folder := range []string{bin, nodeBin, dir} {
		if err := sandbox.CheckFolder(folder); err != nil {
			return err
		}
	}
	arguments := []string{"start", "--node", "--dir", dir}
	if options.audit {
		arguments = append(arguments, "--audit")
	}
	return sandbox.Run(ctx, arguments)
}

// first is the sandbox's first process. It ignores what it is not told by its
// standard input: the control plane it starts reads from the same.
func first(arguments []string) error {
	if os.Getpid() != 1 {
		return usageError(sandbox.First + " is for `start --node` alone")
	}
	code, err := sandbox.Enter(controlplane.NodeAddress, arguments)
	if err == nil && code != 0 {
		err = fmt.Errorf("the control plane ended with %d", code)
	}
	return err
}

// nodeOptions of a control plane that is in a sandbox.
func nodeOptions(ctx context.Context) (*controlplane.Node, error) {
	if sandbox.PID() == "" {
		return nil, errors.New("not in a sandbox")
	}
	bin, err := binaries.ForNode(ctx)
	if err != nil {
		return nil, err
	}
	// containerd finds its shim there.
	if err := os.Setenv("PATH", bin+string(filepath.ListSeparator)+os.Getenv("PATH")); err != nil {
		return nil, err
	}
	return &controlplane.Node{Bin: bin, State: sandbox.State, CgroupRoot: sandbox.CgroupRoot()}, nil
}
