package cache

import (
	"context"
	"sync"
)

// rangeLock gives out ranges of a disk so that no two that overlap are held at
// once. They are granted in the order they were asked for: each entry of the
// queue waits for the earlier entries that overlap it, and for nothing else.
// The zero value is ready for use.
type rangeLock struct {
	mu          sync.Mutex
	first, last *lockedRange // the queue, held and waiting, in order of arrival
	spare       sync.Pool    // of *lockedRange
}

// lockedRange is an entry of the queue. It belongs to whoever called lock,
// until unlock.
type lockedRange struct {
	start, end int64
	blockers   int           // earlier entries that overlap; 0 = held
	granted    chan struct{} // one slot: filled when blockers falls to 0
	prev, next *lockedRange
}

// lock waits for the range [start, end) and returns what unlock takes.
func (l *rangeLock) lock(ctx context.Context, start, end int64) (*lockedRange, error) {
	r, ok := l.spare.Get().(*lockedRange)
	if !ok {
		r = &lockedRange{granted: make(chan struct{}, 1)}
	}
	r.start, r.end = start, end
	l.mu.Lock()
	l.enqueue(r)
	free := r.blockers == 0
	l.mu.Unlock()
	if free {
		return r, nil
	}
	select {
	case <-r.granted:
		return r, nil
	case <-ctx.Done():
		l.unlock(r)
		return nil, ctx.Err()
	}
}

// enqueue counts r's blockers and appends it. l.mu is held.
func (l *rangeLock) enqueue(r *lockedRange) {
	for other := l.first; other != nil; other = other.next {
		if other.overlaps(r) {
			r.blockers++
		}
	}
	r.prev = l.last
	if l.last == nil {
		l.first = r
	} else {
		l.last.next = r
	}
	l.last = r
}

// unlock takes r out of the queue, whether it is held or still waits.
func (l *rangeLock) unlock(r *lockedRange) {
	l.mu.Lock()
	for other := r.next; other != nil; other = other.next {
		if other.overlaps(r) {
			other.unblock()
		}
	}
	l.remove(r)
	l.mu.Unlock()
	select {
	case <-r.granted: // granted while its waiter gave up
	default:
	}
	*r = lockedRange{granted: r.granted}
	l.spare.Put(r)
}

// remove unlinks r. l.mu is held.
func (l *rangeLock) remove(r *lockedRange) {
	if r.prev == nil {
		l.first = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		l.last = r.prev
	} else {
		r.next.prev = r.prev
	}
}

func (r *lockedRange) overlaps(other *lockedRange) bool {
	return r.start < other.end && other.start < r.end
}

// unblock notes that one blocker is gone.
func (r *lockedRange) unblock() {
	r.blockers--
	if r.blockers == 0 {
		r.granted <- struct{}{}
	}
}
