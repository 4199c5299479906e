package initiator

import (
	"context"
	"slices"
)

// A path leaves its unit in these steps; each is one function:
//
//	retire   no access goes out on it any more
//	drain    what is under way on it is answered
//	         (its session logs out, unless it only leaves this unit)
//	drop     its disk is closed and does not count any more
//	prune    it is forgotten, unless writes are unanswered that a reset is to end,
//	         or no other path is there to speak for the unit

// retire lets no new access out on the path of a session.
func (u *Unit) retire(s *Session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p := u.pathOfLocked(s); p != nil {
		p.leaving = true
		u.reviewLocked()
	}
}

// drain waits until nothing is under way on a retired path, at most until ctx ends.
func (u *Unit) drain(ctx context.Context, s *Session) {
	u.mu.Lock()
	defer u.mu.Unlock()
	p := u.pathOfLocked(s)
	for p != nil && p.flight > 0 && p.state == pathUp && ctx.Err() == nil && !u.isClosed() {
		changed := u.changed
		u.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
		case <-u.ctx.Done():
		}
		u.mu.Lock()
	}
}

// drop takes the path of a session out. What was not drained may be executed later,
// as that of a lost path.
func (u *Unit) drop(s *Session) {
	u.mu.Lock()
	p := u.pathOfLocked(s)
	if p != nil {
		p.ghost = p.ghost || p.flight > 0
	}
	u.mu.Unlock()
	if p == nil {
		return
	}
	_ = p.disk.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	p.dropped = true
	u.pruneLocked()
	u.reviewLocked()
}

// pruneLocked forgets paths that have left. The sum of the epochs stays.
func (u *Unit) pruneLocked() {
	if !slices.ContainsFunc(u.paths, func(p *path) bool { return !p.leaving }) {
		return
	}
	u.paths = slices.DeleteFunc(u.paths, func(p *path) bool {
		if !p.leaving || p.ghost || p.flight > 0 || !p.dropped {
			return false
		}
		u.epoch += p.disk.Epoch()
		return true
	})
	if u.pathLocked(u.lead) == nil {
		u.lead = u.paths[0].disk
	}
}

// pathOfLocked returns the path that is a session's, or nil.
func (u *Unit) pathOfLocked(s *Session) *path {
	for _, p := range u.paths {
		if p.disk.s == s {
			return p
		}
	}
	return nil
}
