package fusefs

import (
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
)

// sweepInterval is how long a killed process may go on waiting.
const sweepInterval = 100 * time.Millisecond

// sweeper ends the waits of processes that were killed. The kernel sends one
// INTERRUPT for a request, for the first signal of whatever kind; that a SIGKILL
// follows, it does not say, and most interrupted callers are not dying: Go
// programs send themselves SIGURG all the time. So an interrupted request is
// looked at again and again. It takes no goroutine while nothing waits.
type sweeper struct {
	log   zerolog.Logger
	mu    sync.Mutex
	timer *time.Timer // runs sweep; nil = not armed
}

// arm makes sure that a sweep comes.
func (s *sweeper) arm(f *FS) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer == nil {
		s.timer = time.AfterFunc(sweepInterval, f.sweepOnce)
	}
}

// sweepOnce looks at all requests, and comes again if there were any.
func (f *FS) sweepOnce() {
	f.sweep.mu.Lock()
	f.sweep.timer = nil
	f.sweep.mu.Unlock()
	waiting := false
	for l := range f.handles.files() {
		waiting = l.waits.sweep() || waiting
	}
	if waiting {
		f.sweep.arm(f)
	}
}

// sweep ends the requests of killed processes and tells whether any request
// waits.
func (l *waitList) sweep() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.waiting {
		if r.interrupted() && killed(r.pid) {
			r.end(syscall.EINTR)
		}
	}
	return len(l.waiting) > 0
}

func (r *request) interrupted() bool {
	select {
	case <-r.interrupt:
		return true
	default:
		return false
	}
}
