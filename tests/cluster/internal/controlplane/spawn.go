package controlplane

import (
	"os/exec"
	"runtime"
	"sync"
)

// startOnLastingThread starts command on a thread that lives as long as this
// process. "Kill the child when its parent dies" means, to Linux, the thread
// that forked it: on any other thread, which Go ends when it likes, the child
// would die for no reason.
func startOnLastingThread(command *exec.Cmd) error {
	startSpawner.Do(func() {
		go func() {
			runtime.LockOSThread()
			for request := range spawnRequests {
				request.result <- request.command.Start()
			}
		}()
	})
	request := spawnRequest{command, make(chan error)}
	spawnRequests <- request
	return <-request.result
}

type spawnRequest struct {
	command *exec.Cmd
	result  chan error
}

var (
	startSpawner  sync.Once
	spawnRequests = make(chan spawnRequest)
)
