package integration

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// line is a way to a portal, which a test cuts, makes silent, and mends. It ends
// with the test.
type line struct {
	listener net.Listener
	portal   string
	running  sync.WaitGroup
	passed   atomic.Int64 // bytes, both ways
	called   atomic.Int64 // connections from it

	mu   sync.Mutex
	open []net.Conn
	down bool
	hush chan struct{} // closed when bytes pass; another while they do not
}

func newLine(t *testing.T, portal string) *line {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{listener: listener, portal: portal, hush: make(chan struct{})}
	close(l.hush)
	l.running.Go(l.accept)
	t.Cleanup(l.close)
	return l
}

func (l *line) address() string { return l.listener.Addr().String() }

func (l *line) close() {
	l.listener.Close()
	l.mend()
	l.cut()
	l.running.Wait()
}

// cut breaks all connections; new ones break at once until mend.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = true
	for _, c := range l.open {
		c.Close()
	}
	l.open = nil
}

// silence lets nothing pass any more, without a word to either side, until mend.
func (l *line) silence() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hush = make(chan struct{})
}

func (l *line) mend() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = false
	select {
	case <-l.hush:
	default:
		close(l.hush)
	}
}

// awaitMore returns when a count has grown by n, or done is closed.
func awaitMore(done <-chan struct{}, count *atomic.Int64, n int64) {
	from := count.Load()
	eventually(pathWait, func() bool {
		select {
		case <-done:
			return true
		default:
			return count.Load() >= from+n
		}
	})
}

func (l *line) accept() {
	for {
		initiator, err := l.listener.Accept()
		if err != nil {
			return
		}
		l.called.Add(1)
		target, err := net.Dial("tcp", l.portal)
		if err != nil || !l.keep(initiator, target) {
			initiator.Close()
			continue
		}
		l.running.Go(func() { l.pass(target, initiator) })
		l.running.Go(func() { l.pass(initiator, target) })
	}
}

// keep registers the ends of a connection for cut, unless the line is down.
func (l *line) keep(initiator, target net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.down {
		target.Close()
		return false
	}
	l.open = append(l.open, initiator, target)
	return true
}

// pass carries bytes one way and, at their end, closes both ends.
func (l *line) pass(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		l.mu.Lock()
		hush := l.hush
		l.mu.Unlock()
		<-hush
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
			l.passed.Add(int64(n))
		}
		if err != nil {
			return
		}
	}
}
