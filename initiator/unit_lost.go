package initiator

import "time"

// noPath is what accesses, and the unit, waited for in vain.
const noPath = "no path came back"

// A unit without a usable path is lost after the replacement timeout, whether
// somebody waits for it or not: who holds its data must know. Only these change
// Unit.gone:
//
//	        no path is usable for the replacement timeout: expire
//	not lost ─────────────────────────────────────────────────────► lost
//	        ◄─────────────────────────────────────────────────────
//	                       a path is usable: expectLocked

// expectLocked waits for a path, or ends the waiting.
func (u *Unit) expectLocked(dead bool) {
	switch {
	case !dead:
		u.expiry.stop()
		u.gone = false
		u.tellLostLocked()
	case u.replacement >= 0 && u.expiry.Timer == nil && !u.gone && !u.isClosed():
		u.expiry.start(time.Until(u.deadSince.Add(u.replacement)), u.expire)
	}
}

// setReplacement changes how long accesses wait for a path.
func (u *Unit) setReplacement(limit time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.replacement = limit
	u.expiry.stop()
	u.reviewLocked()
}

// expire takes note that no path came back in time. A path that did meanwhile has
// stopped the timer too late, and may have started another.
func (u *Unit) expire() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.isClosed() || u.deadSince.IsZero() || time.Since(u.deadSince) < u.replacement {
		return
	}
	u.expiry.stop()
	u.gone = true
	u.failLocked(u.lostLocked())
	u.tellLostLocked()
}

func (u *Unit) lostLocked() *Error {
	return u.error("disk", u.timedOut(noPath, u.reasonLocked()))
}

// failLocked logs once that accesses fail.
func (u *Unit) failLocked(err error) {
	if !u.failing {
		u.failing = true
		u.log.Error().Err(err).Msg("accesses fail until a path is back")
	}
}

// tellLostLocked has the user told that the unit is lost, or back. A goroutine does
// it, for the events are a session's: its mutex goes before that of the unit.
func (u *Unit) tellLostLocked() {
	if u.gone != u.toldGone && !u.telling {
		u.telling = true
		u.goLocked(u.tellLost)
	}
}

// tellLost is the only one that tells, so that the last word is the right one.
func (u *Unit) tellLost() {
	for {
		s, e, more := u.nextEvent()
		if !more {
			return
		}
		s.mu.Lock()
		s.tellLocked(e)
		s.mu.Unlock()
	}
}

// nextEvent returns what is to be told, and the session that does.
func (u *Unit) nextEvent() (*Session, Event, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.gone == u.toldGone || u.isClosed() {
		u.telling = false
		return nil, Event{}, false
	}
	u.toldGone = u.gone
	e := Event{Kind: LUNBack, LUN: u.lun}
	if u.gone {
		e = Event{LUNLost, u.lun, u.lostLocked()}
	}
	return u.tellerLocked(), e, true
}

// tellerLocked returns the session that tells of the unit: always the same as long as
// it is there, so that the order is kept.
func (u *Unit) tellerLocked() *Session {
	for _, p := range u.paths {
		if !p.leaving {
			return p.disk.s
		}
	}
	return u.paths[0].disk.s
}
