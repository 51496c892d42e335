//go:build unix && !linux

package controlplane

import "syscall"

// childAttributes: only Linux can tie a child's life to its parent's. Elsewhere
// a SIGKILL of this process leaves the children behind.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
