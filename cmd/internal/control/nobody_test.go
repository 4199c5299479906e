package control

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// beNobody runs what returns a text as another user. Credentials belong to threads:
// this one is thrown away.
func beNobody(run func() string) string {
	answer := make(chan string, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked, so that the thread ends with the goroutine
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, 65534, 65534, 65534); errno != 0 {
			answer <- errno.Error()
			return
		}
		answer <- run()
	}()
	return <-answer
}

// asNobody connects to a socket as another user, sends a request and returns the
// answer.
func asNobody(t *testing.T, path string) string {
	t.Helper()
	return beNobody(func() string {
		conn, err := net.Dial("unix", path)
		if err != nil {
			return err.Error()
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = conn.Write([]byte("{\"command\":\"status\"}\n"))
		b, _ := io.ReadAll(conn)
		return string(b)
	})
}

// To whom a daemon is closed it is not dead.
func TestDialOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	point := serve(t, func(context.Context, Request, Peer, func(any)) (any, error) { return nil, nil })
	got := beNobody(func() string {
		_, err := Dial(t.Context(), point, 0)
		if !errors.Is(err, ErrNotYours) || errors.Is(err, ErrNoDaemon) {
			t.Errorf("%v", err)
		}
		return err.Error()
	})
	if want := point + ": only its owner (uid 0) and root may command its daemon"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
