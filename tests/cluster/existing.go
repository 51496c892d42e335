package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"bitbucket-connector/cluster/internal/binaries"
)

// useExisting tells about a cluster that somebody else runs, in the same words,
// so that who asks need not know the difference.
func useExisting(ctx context.Context) error {
	kubeconfig := os.Getenv("KUBECONFIG")
	if kubeconfig == "" {
		return errors.New("USE_EXISTING_CLUSTER=true needs KUBECONFIG: which cluster may be used is not guessed")
	}
	if len(filepath.SplitList(kubeconfig)) > 1 {
		return fmt.Errorf("USE_EXISTING_CLUSTER=true needs one file in KUBECONFIG, not %s", kubeconfig)
	}
	kubeconfig, err := filepath.Abs(kubeconfig)
	if err != nil {
		return err
	}
	bin, err := binaries.ForClient(ctx)
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, filepath.Join(bin, binaries.Kubectl), "--kubeconfig", kubeconfig,
		"config", "view", "--minify", "--output", "jsonpath={.clusters[0].cluster.server}")
	command.Stderr = os.Stderr
	server, err := command.Output()
	if err != nil {
		return fmt.Errorf("reading %s: %w", kubeconfig, err)
	}
	if err := report(ready{kubeconfig, strings.TrimSpace(string(server)), bin, "", map[string]int{}, nil}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}
