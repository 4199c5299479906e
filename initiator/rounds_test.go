package initiator

import (
	"net"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// hookedConn calls before each write.
type hookedConn struct {
	net.Conn
	before func()
}

func (h *hookedConn) Write(p []byte) (int, error) {
	h.before()
	return len(p), nil
}

// TestNothingIsForgotten: a request that is queued while another caller writes
// goes out, though that caller stops writing for others after a while. Nothing
// else would wake the writer here.
func TestNothingIsForgotten(t *testing.T) {
	noLeak(t)
	s := newSession(Config{NoopInterval: -1})
	near, far := net.Pipe()
	t.Cleanup(func() { far.Close() })
	hook := &hookedConn{Conn: near}
	s.attachLocked(&connected{conn: hook, params: DefaultParams()})
	c := s.conn
	const all = 3 * maxRounds
	written := make(chan struct{}, all)
	hook.before = func() {
		// The flusher has looked, if it was woken, and found the token taken.
		if !reached(func() bool { return len(c.flush) == 0 }) {
			t.Error("the flusher does not look")
		}
		written <- struct{}{}
		if len(written) < all {
			queuePing(s)
		}
	}
	c.wg.Go(c.flusher) // without the wake-up of start: it would count for a later one
	t.Cleanup(func() {
		c.fail(ErrClosed)
		c.wait()
	})
	queuePing(s)
	c.send()
	await(t, "all requests", func() bool { return len(written) == all })
}

// queuePing queues a request that is sent by itself.
func queuePing(s *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &task{kind: kindPing, ttt: pdu.ReservedTag, state: taskPending, done: make(chan struct{}, 1)}
	s.queueLocked(t)
}
