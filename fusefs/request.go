package fusefs

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// request is the context of one request while it waits for the LUN. It is made
// for every read and write, so it is taken from a pool and costs no goroutine;
// what ends it is found by the sweeper, or is a cut.
type request struct {
	handle    *handle
	interrupt <-chan struct{} // closed by go-fuse when the kernel sends INTERRUPT
	pid       uint32          // the caller's thread; 0 = the kernel
	done      chan struct{}   // what Done returns
	ended     atomic.Uint32   // the errno to answer with; 0 = not ended
	index     int             // place in waitList.waiting
}

var requests = sync.Pool{New: func() any { return &request{done: make(chan struct{})} }}

var _ context.Context = (*request)(nil)

// Deadline implements [context.Context].
func (r *request) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done implements [context.Context].
func (r *request) Done() <-chan struct{} { return r.done }

// Err implements [context.Context].
func (r *request) Err() error {
	if r.ended.Load() != 0 {
		return context.Canceled
	}
	return nil
}

// Value implements [context.Context].
func (r *request) Value(any) any { return nil }

// cause is the errno that the request was ended with; 0 = it was not.
func (r *request) cause() syscall.Errno { return syscall.Errno(r.ended.Load()) }

// end makes the context done. The waitList's lock is held.
func (r *request) end(errno syscall.Errno) {
	if r.ended.CompareAndSwap(0, uint32(errno)) {
		close(r.done)
	}
}

// waitList holds the requests on one file that wait.
type waitList struct {
	mu      sync.Mutex
	waiting []*request
}

// begin starts the request in on h, or returns nil when h was cut off.
func (f *FS) begin(h *handle, interrupt <-chan struct{}, in *fuse.InHeader) *request {
	r := requests.Get().(*request)
	r.handle, r.interrupt, r.pid = h, interrupt, in.Pid
	if !h.file.waits.add(r) {
		r.recycle()
		return nil
	}
	f.sweep.arm(f)
	return r
}

// finish ends what begin began.
func (r *request) finish() {
	r.handle.file.waits.remove(r)
	r.recycle()
}

// recycle returns r to the pool, unless its channel is spent.
func (r *request) recycle() {
	if r.ended.Load() != 0 {
		return
	}
	r.handle, r.interrupt = nil, nil
	requests.Put(r)
}

// add fails when the handle was cut off; the lock makes sure that endAll, which
// comes after the cut, misses no request.
func (l *waitList) add(r *request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.handle.cut.Load() {
		return false
	}
	r.index = len(l.waiting)
	l.waiting = append(l.waiting, r)
	return true
}

func (l *waitList) remove(r *request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.waiting) - 1
	l.waiting[r.index] = l.waiting[last]
	l.waiting[r.index].index = r.index
	l.waiting[last] = nil
	l.waiting = l.waiting[:last]
}

// endAll ends the requests of h with EIO.
func (l *waitList) endAll(h *handle) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.waiting {
		if r.handle == h {
			r.end(syscall.EIO)
		}
	}
}
