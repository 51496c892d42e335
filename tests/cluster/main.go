// Command cluster is a real Kubernetes control plane for tests, the demo and
// development: etcd, kube-apiserver and kube-controller-manager, and if asked
// for a node.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"bitbucket-connector/cluster/internal/binaries"
	"bitbucket-connector/cluster/internal/sandbox"
)

const usage = `usage:
  cluster build [--node]           build what is missing, print the folder of the binaries, or of a node's
  cluster start --dir DIR [--audit] [--keep] [--node]
                                   run a control plane until standard input ends or SIGTERM comes,
                                   with a node if asked for (root, Linux)

environment:
  KUBEBUILDER_ASSETS=FOLDER      use the binaries in FOLDER, build only what it lacks
  USE_EXISTING_CLUSTER=true      start: use the cluster that KUBECONFIG names, start and stop nothing
  XDG_CACHE_HOME                 where built binaries are kept (default ~/.cache)
`

// Exit codes: 0 ended as asked, 1 failed, 2 called wrongly.
func main() {
	// Who reads standard error may die first; ending the cluster matters more
	// than telling about it.
	signal.Ignore(syscall.SIGPIPE)
	err := run(os.Args[1:])
	var wrong usageError
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(usage)
	case errors.As(err, &wrong):
		fmt.Fprintf(os.Stderr, "cluster: %v\n\n%s", err, usage)
		os.Exit(2)
	default:
		fmt.Fprintf(os.Stderr, "cluster: %v\n", err)
		os.Exit(1)
	}
}

type usageError string

func (e usageError) Error() string { return string(e) }

func run(arguments []string) error {
	if len(arguments) == 0 {
		return usageError("no command")
	}
	switch arguments[0] {
	case "build":
		switch {
		case len(arguments) == 1:
			return build(binaries.ForCluster)
		case len(arguments) == 2 && arguments[1] == "--node":
			return build(binaries.ForNode)
		}
		return usageError("build takes no arguments but --node")
	case "start":
		options, err := parseStart(arguments[1:])
		if err != nil {
			return err
		}
		return start(options)
	case sandbox.First:
		return first(arguments[1:])
	case "help", "-h", "-help", "--help":
		return flag.ErrHelp
	}
	return usageError(fmt.Sprintf("unknown command %q", arguments[0]))
}

func build(provide func(context.Context) (string, error)) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	folder, err := provide(ctx)
	if err != nil {
		return err
	}
	fmt.Println(folder)
	return nil
}
