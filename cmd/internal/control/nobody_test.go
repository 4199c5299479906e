package control

import (
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// asNobody connects to a socket as another user, sends a request and returns the
// answer. Credentials belong to threads: this one is thrown away.
func asNobody(t *testing.T, path string) string {
	t.Helper()
	answer := make(chan string, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked, so that the thread ends with the goroutine
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
			answer <- errno.Error()
			return
		}
		conn, err := net.Dial("unix", path)
		if err != nil {
			answer <- err.Error()
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = conn.Write([]byte("{\"command\":\"status\"}\n"))
		b, _ := io.ReadAll(conn)
		answer <- string(b)
	}()
	return <-answer
}
