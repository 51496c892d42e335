package controlplane

import "syscall"

// childAttributes: in its own group, so that Ctrl-C in a terminal reaches this
// process alone, which then ends its children in order; and dying with it, even
// of SIGKILL.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
