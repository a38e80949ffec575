package chaos

import (
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// burn keeps all processors busy with two processes each, for some time.
func burn(howLong time.Duration) {
	for range 2 * runtime.NumCPU() {
		started := make(chan struct{})
		go func() {
			// Who starts it must stay: the process dies with the thread of its parent.
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			command := exec.Command("sh", "-c", "while :; do :; done")
			command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			err := command.Start()
			close(started)
			if err != nil {
				return
			}
			time.Sleep(howLong)
			_ = command.Process.Kill()
			_ = command.Wait()
		}()
		<-started
	}
}
