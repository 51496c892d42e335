// Package controlplane starts etcd, kube-apiserver and kube-controller-manager
// on loopback ports, and a node if asked for one, says when they are ready, and
// ends them.
package controlplane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"bitbucket-connector/cluster/internal/binaries"
)

// Options of a start.
type Options struct {
	Bin   string // the folder of the binaries
	Dir   string // for data, certificates and logs; data found there is used again
	Audit bool   // write Dir/audit.log
	Node  *Node  // nil: none
}

// A Cluster is a control plane that is ready.
type Cluster struct {
	Kubeconfig string
	Server     string
	AuditLog   string // empty without Options.Audit
	processes  []*process
	unlock     func()
}

// attempts at finding ports that nobody takes in the moment before they are used.
const attempts = 5

// Start returns when the control plane is ready, or has left nothing running.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	dir, err := filepath.Abs(options.Dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := claim(dir)
	if err != nil {
		return nil, err
	}
	for attempt := 1; ; attempt++ {
		cluster, err := start(ctx, options, dir)
		if err == nil {
			cluster.unlock = unlock
			return cluster, nil
		}
		var ended *endedError
		if attempt == attempts || !errors.As(err, &ended) || !ended.addressInUse() {
			unlock()
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "%s lost its port to another process: trying others\n", ended.process.name)
	}
}

func start(ctx context.Context, options Options, dir string) (_ *Cluster, err error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	l := layout{dir: dir, audit: options.Audit, etcdPort: ports[0], etcdPeerPort: ports[1], apiserver: ports[2], node: options.Node}
	if err := prepare(l); err != nil {
		return nil, err
	}
	client, err := adminClient(l)
	if err != nil {
		return nil, err
	}
	cluster := &Cluster{Kubeconfig: l.kubeconfig(), Server: l.server(), unlock: func() {}}
	if l.audit {
		cluster.AuditLog = l.auditLog()
	}
	defer func() {
		if err != nil {
			cluster.Stop()
		}
	}()
	for _, step := range steps(l, options.Bin, client) {
		process, err := startProcess(step.bin, step.name, l.log(step.name), step.arguments)
		if err != nil {
			return nil, err
		}
		cluster.processes = append(cluster.processes, process)
		if step.ready == nil {
			continue
		}
		if err := waitFor(ctx, step.name, step.ready, cluster.processes); err != nil {
			return nil, err
		}
	}
	return cluster, nil
}

// A step is a component, and how to find out whether it is ready, where the next
// one needs that.
type step struct {
	name, bin string
	arguments []string
	ready     func(context.Context) error
}

func steps(l layout, bin string, client *http.Client) []step {
	answers := func(url string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := read(ctx, client, url)
			return err
		}
	}
	defaultAccount := l.server() + "/api/v1/namespaces/default/serviceaccounts/default"
	all := []step{
		{binaries.Etcd, bin, l.etcd(), answers(l.etcdURL() + "/health")},
		{binaries.APIServer, bin, l.kubeAPIServer(), answers(l.server() + "/readyz")},
		{binaries.ControllerManager, bin, l.kubeControllerManager(), answers(defaultAccount)},
	}
	if l.node != nil {
		all = append(all, nodeSteps(l, client)...)
	}
	return all
}

// prepare writes the files that the components read.
func prepare(l layout) error {
	if err := ensurePKI(l.path("pki")); err != nil {
		return err
	}
	// etcd complains about a folder that others may read.
	if err := os.MkdirAll(l.path(binaries.Etcd), 0o700); err != nil {
		return err
	}
	if l.audit {
		if err := os.WriteFile(l.auditPolicy(), []byte(auditPolicyText), 0o600); err != nil {
			return err
		}
	}
	pki := l.path("pki")
	if err := writeKubeconfig(l.kubeconfig(), l.server(), pki, adminCertificate, adminKey, "admin"); err != nil {
		return err
	}
	err := writeKubeconfig(l.managerConfig(), l.server(), pki, managerCert, managerKey, "controller-manager")
	if err != nil || l.node == nil {
		return err
	}
	return prepareNode(l)
}

// claim keeps a second cluster out of the same folder; etcd itself would wait
// for the first one to end, in silence.
func claim(dir string) (func(), error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("another cluster runs in %s (%w)", dir, err)
	}
	return func() { file.Close() }, nil
}

// PIDs by component.
func (c *Cluster) PIDs() map[string]int {
	pids := map[string]int{}
	for _, process := range c.processes {
		pids[process.name] = process.pid
	}
	return pids
}

// Wait returns nil when ctx ends, or what is wrong when a component does.
func (c *Cluster) Wait(ctx context.Context) error {
	ended := make(chan error, len(c.processes))
	for _, process := range c.processes {
		go func() {
			<-process.ended
			ended <- process.hasEnded()
		}()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

// Stop ends everything. The two that keep nothing themselves are not asked
// first: the API server would wait for its watches. etcd may close its files.
func (c *Cluster) Stop() {
	for i := len(c.processes) - 1; i >= 0; i-- {
		grace := time.Duration(0)
		if c.processes[i].name == binaries.Etcd {
			grace = 2 * time.Second
		}
		c.processes[i].stop(grace)
	}
	c.processes = nil
	c.unlock()
}
