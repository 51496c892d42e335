package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"bitbucket-connector/cluster/internal/binaries"
	"bitbucket-connector/cluster/internal/controlplane"
	"bitbucket-connector/cluster/internal/sandbox"
)

type startOptions struct {
	dir               string
	audit, keep, node bool
}

// ready is the line on standard output. Tests and scripts read it.
type ready struct {
	Kubeconfig string         `json:"kubeconfig"`
	Server     string         `json:"server"`
	Bin        string         `json:"bin"`
	AuditLog   string         `json:"auditLog"`
	PIDs       map[string]int `json:"pids"`
	Node       *readyNode     `json:"node,omitempty"`
}

func parseStart(arguments []string) (startOptions, error) {
	var options startOptions
	flags := flag.NewFlagSet("start", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.StringVar(&options.dir, "dir", "", "")
	flags.BoolVar(&options.audit, "audit", false, "")
	flags.BoolVar(&options.keep, "keep", false, "")
	flags.BoolVar(&options.node, "node", false, "")
	if err := flags.Parse(arguments); errors.Is(err, flag.ErrHelp) {
		return options, err
	} else if err != nil {
		return options, usageError(err.Error())
	}
	if flags.NArg() > 0 {
		return options, usageError(fmt.Sprintf("start does not take %q", flags.Arg(0)))
	}
	existing := os.Getenv("USE_EXISTING_CLUSTER") == "true"
	if options.dir == "" && !existing {
		return options, usageError("start needs --dir")
	}
	if options.audit && existing {
		return options, usageError("--audit needs a cluster of its own: it cannot be added to the one of USE_EXISTING_CLUSTER")
	}
	if options.node && existing {
		return options, usageError("--node needs a cluster of its own: the one of USE_EXISTING_CLUSTER has nodes, or not")
	}
	return options, nil
}

func start(options startOptions) error {
	// From the very beginning: a build takes minutes, and who asked for it may
	// have gone meanwhile.
	ctx, stop := untilAsked(options.keep)
	defer stop()
	var err error
	switch {
	case os.Getenv("USE_EXISTING_CLUSTER") == "true":
		err = useExisting(ctx)
	case options.node && sandbox.PID() == "":
		err = runSandboxed(ctx, options)
	default:
		err = runOwn(ctx, options)
	}
	if cause := context.Cause(ctx); errors.As(cause, new(asked)) {
		// What fails after that, fails because of that.
		if sandbox.PID() == "" {
			fmt.Fprintf(os.Stderr, "cluster ended: %v\n", cause)
		}
		return nil
	}
	return err
}

func runOwn(ctx context.Context, options startOptions) error {
	bin, err := binaries.ForCluster(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	settings := controlplane.Options{Bin: bin, Dir: options.dir, Audit: options.audit}
	var node *readyNode
	if options.node {
		if settings.Node, err = nodeOptions(ctx); err != nil {
			return err
		}
		node = &readyNode{sandbox.PID(), settings.Node.Bin, settings.Node.Socket()}
	}
	cluster, err := controlplane.Start(ctx, settings)
	if err != nil {
		return err
	}
	defer cluster.Stop()
	fmt.Fprintf(os.Stderr, "cluster ready at %s after %.1f s\n", cluster.Server, time.Since(began).Seconds())
	if err := report(ready{cluster.Kubeconfig, cluster.Server, bin, cluster.AuditLog, cluster.PIDs(), node}); err != nil {
		return err
	}
	return cluster.Wait(ctx)
}

func report(line ready) error {
	return json.NewEncoder(os.Stdout).Encode(line)
}

// asked is how an end was asked for. That is no failure.
type asked string

func (a asked) Error() string { return string(a) }

// untilAsked returns a context that ends on a signal or, unless keep, when
// standard input ends: who holds the other end of that pipe is gone then, even
// if it was killed and could say nothing.
func untilAsked(keep bool) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if keep {
		signal.Ignore(syscall.SIGHUP)
	} else {
		signal.Notify(signals, syscall.SIGHUP)
		// In the background of a terminal, reading would stop the process: let it fail.
		signal.Ignore(syscall.SIGTTIN)
		go func() {
			if _, err := io.Copy(io.Discard, os.Stdin); err == nil {
				cancel(asked("standard input ended"))
			}
		}()
	}
	go func() {
		cancel(asked((<-signals).String()))
		// A second one does not wait.
		signal.Stop(signals)
		signal.Reset(syscall.SIGINT, syscall.SIGTERM)
	}()
	return ctx, func() { cancel(nil) }
}
