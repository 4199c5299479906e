package initiator

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// ReadvAt fills the buffers, one after the other, from off on.
func (u *Unit) ReadvAt(ctx context.Context, bufs [][]byte, off int64) error {
	a := access{u: u, op: "READ"}
	return a.run(ctx, length(bufs), func(d *Disk) error { return d.ReadvAt(ctx, bufs, off) })
}

// WritevAt writes the buffers, one after the other, from off on.
func (u *Unit) WritevAt(ctx context.Context, bufs [][]byte, off int64) error {
	a := access{u: u, op: "WRITE", write: true}
	fence := u.enter()
	defer u.leave(fence)
	return a.run(ctx, length(bufs), func(d *Disk) error { return d.WritevAt(ctx, bufs, off) })
}

func length(bufs [][]byte) (n int) {
	for _, b := range bufs {
		n += len(b)
	}
	return n
}

// access is one access on its way over the paths. Its owner is the goroutine
// that makes it.
type access struct {
	u      *Unit
	op     string
	write  bool      // to be held while writes of a lost path may be executed
	lostAt time.Time // when a path was first lost under it
	flight int       // commands on the present path
	// refuser is the path that was not ready for it the last time, at a target
	// that does not tell access states, and pause how long the access waits then before the next path.
	refuser       *path
	pause, rested time.Duration // rested: the last time
}

// run makes the access, of n bytes, by one path after the other until it has ended.
func (a *access) run(ctx context.Context, n int, do func(*Disk) error) error {
	for {
		p, err := a.begin(ctx, n)
		if err != nil {
			return err
		}
		err = do(p.disk)
		if !a.end(p, err) {
			return err
		}
	}
}

// begin waits for a path and takes it. The caller gives it back with end.
func (a *access) begin(ctx context.Context, n int) (*path, error) {
	u := a.u
	if err := a.rest(ctx); err != nil {
		return nil, err
	}
	u.mu.Lock()
	for {
		if u.isClosed() {
			u.mu.Unlock()
			return nil, u.error(a.op, ErrClosed)
		}
		if p := a.chooseLocked(); p != nil {
			piece := p.disk.pieceLength(n, a.write)
			a.flight = max((n+piece-1)/piece, 1)
			p.flight += a.flight
			u.mu.Unlock()
			return p, nil
		}
		if err := a.waitLocked(ctx); err != nil {
			u.mu.Unlock()
			return nil, err
		}
	}
}

// rest waits for a path that was not ready.
func (a *access) rest(ctx context.Context) error {
	if a.pause == 0 {
		return nil
	}
	timer := time.NewTimer(a.pause/2 + rand.N(a.pause))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.u.ctx.Done():
	case <-ctx.Done():
		return a.u.error(a.op, context.Cause(ctx))
	}
	return nil
}

// chooseLocked returns the path to use, nil if there is none: of those in the
// best access state the least busy, and of several the next in turn. One that was
// not ready is always idle: it is taken when there is no other.
func (a *access) chooseLocked() *path {
	u := a.u
	if a.write && !u.hauntedSince.IsZero() {
		return nil
	}
	var best *path
	bestAt := 0
	for i := range u.paths {
		at := (u.next + i) % len(u.paths)
		p := u.paths[at]
		if !p.usable() {
			continue
		}
		if best == nil || best == a.refuser || p != a.refuser && p.before(best, u.via) {
			best, bestAt = p, at
		}
	}
	if best != nil {
		u.next = (bestAt + 1) % len(u.paths)
	}
	return best
}

// waitLocked returns when another look for a path is worth it, or with the error
// that ends the access. It lets go of Unit.mu meanwhile.
func (a *access) waitLocked(ctx context.Context) error {
	u := a.u
	if u.refusedLocked() {
		return u.error(a.op, u.reasonLocked()) // no waiting mends it
	}
	since, what := u.deadSince, noPath
	if a.write && !u.hauntedSince.IsZero() && (since.IsZero() || u.hauntedSince.Before(since)) {
		since, what = u.hauntedSince, "no path let the unanswered writes of a lost one be ended"
	}
	var late <-chan time.Time
	if u.replacement >= 0 {
		left := time.Until(since.Add(u.replacement))
		if left <= 0 {
			return a.tooLateLocked(what)
		}
		timer := time.NewTimer(left)
		defer timer.Stop()
		late = timer.C
	}
	changed := u.changed
	u.waiting++
	u.mu.Unlock()
	defer func() {
		u.mu.Lock()
		u.waiting--
	}()
	select {
	case <-changed:
	case <-late:
	case <-u.ctx.Done():
	case <-ctx.Done():
		return u.error(a.op, context.Cause(ctx))
	}
	return nil
}

// tooLateLocked words the end of an access that waited as long as it may.
func (a *access) tooLateLocked(what string) error {
	u := a.u
	err := u.error(a.op, u.timedOut(what, u.reasonLocked()))
	u.failLocked(err)
	return err
}

// end gives a path back and tells whether the access is to be made again, on
// whichever path there is.
func (a *access) end(p *path, err error) (again bool) {
	u := a.u
	u.mu.Lock()
	defer u.mu.Unlock()
	p.flight -= a.flight
	if p.leaving {
		u.pruneLocked()
		u.wakeLocked()
	}
	if err == nil {
		return false
	}
	a.pause = 0
	state, refused := accessRefused(err)
	switch {
	case refused:
		a.refusedLocked(p, state)
	case u.isClosed() || !pathFailed(err):
		return false
	case errors.Is(err, ErrClosed) && p.state == pathUp:
		u.setLocked(p, pathDown, err)
	}
	// An access that takes every path down with it, or that every path refuses,
	// whatever the target says of their states, must not go on for ever.
	if a.lostAt.IsZero() {
		a.lostAt = time.Now()
	}
	return u.replacement < 0 || time.Since(a.lostAt) < max(u.replacement, p.disk.s.live().CommandTimeout)
}

// refusedLocked takes note that a path has refused the access for its state. Where
// the target reports no states it cannot be asked when that ends: there the path is
// merely not ready, as its sense key says, and is tried again after a while.
func (a *access) refusedLocked(p *path, state scsi.AccessState) {
	if p.reportsAccess() {
		a.u.accessLocked(p, state)
		a.u.refreshLocked()
		return
	}
	if a.refuser != nil {
		a.pause = min(max(2*a.rested, minBusyPause), maxBusyPause)
		a.rested = a.pause
	}
	a.refuser = p
}

// pathFailed tells whether an access failed because of its path: its session is
// lost or closed, or does not lead to the unit any more.
func pathFailed(err error) bool {
	for _, cause := range []error{ErrSessionLost, ErrClosed, ErrLUNLost, ErrIdentity, ErrShrunk} {
		if errors.Is(err, cause) {
			return true
		}
	}
	return false
}

// accessRefused tells whether an access failed because of the path's state.
func accessRefused(err error) (scsi.AccessState, bool) {
	var e *Error
	if !errors.As(err, &e) || !errors.Is(e.Err, ErrSCSI) || e.Status != scsi.CheckCondition {
		return 0, false
	}
	return e.Sense.AccessRefused()
}
