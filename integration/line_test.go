package integration

import (
	"sync/atomic"
	"testing"

	"github.com/iscsifs/iscsifs/integration/proxy"
)

// line is a way to a portal, which a test cuts or makes silent. It ends with the
// test.
type line struct {
	*proxy.Proxy
	called atomic.Int64 // connections from the initiator
	passed atomic.Int64 // bytes from it
}

func newLine(t *testing.T, portal string) *line {
	t.Helper()
	l := new(line)
	l.Proxy = passOn(t, portal, proxy.Options{Watch: func() func([]byte) {
		l.called.Add(1)
		return func(p []byte) { l.passed.Add(int64(len(p))) }
	}})
	return l
}

// awaitMore returns when a count has grown by n, or done is closed.
func awaitMore(done <-chan struct{}, count *atomic.Int64, n int64) {
	from := count.Load()
	eventually(patience, func() bool {
		select {
		case <-done:
			return true
		default:
			return count.Load() >= from+n
		}
	})
}
