package initiator

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// route is one way to the target. Its fields are guarded by Paths.mu, but for
// those that never change: ctx, stop, ended, and of cfg what Adjust leaves alone.
type route struct {
	m   *Paths
	cfg Config

	ctx   context.Context // ends with Paths, or with stop
	stop  context.CancelFunc
	ended chan struct{} // closed when keep has returned

	session *Session // nil until the first login
	since   time.Time
	reason  error // of the last failed login
	next    time.Time
	refused map[*Unit]error // units that it does not lead to, and why

	missing chan struct{} // capacity 1: a unit may be without this path
}

// keep logs in, as often as it takes, and lets the path join the units. The first
// answer goes to answers.
func (r *route) keep(answers chan<- error) {
	defer close(r.ended)
	for pause := minBackoff; ; pause = min(2*pause, maxBackoff) {
		s, err := Login(r.ctx, r.config())
		if err == nil {
			r.loggedIn(s)
		}
		if answers != nil {
			answers <- err
			answers = nil
		}
		if err == nil {
			break
		}
		wait := pause/2 + rand.N(pause)
		r.failed(err, wait)
		if !r.sleep(wait) {
			return
		}
	}
	r.joinAll()
}

func (r *route) loggedIn(s *Session) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	r.session, r.reason, r.next = s, nil, time.Time{}
	r.look()
}

func (r *route) failed(err error, wait time.Duration) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if r.reason == nil || r.reason.Error() != err.Error() {
		r.m.log.Warn().Str("target", r.cfg.TargetName).Str("path", r.cfg.path).Err(err).Msg("path is not there yet")
	}
	r.reason, r.next = err, time.Now().Add(wait)
}

// sleep waits; false means that the path ends.
func (r *route) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.ctx.Done():
		return false
	}
}

// look has joinAll look whether a unit is without this path.
func (r *route) look() {
	select {
	case r.missing <- struct{}{}:
	default:
	}
}

// joinAll opens the units that are without this path, as long as there are any,
// and whenever there may be new ones.
func (r *route) joinAll() {
	for pause := minBackoff; ; pause = min(2*pause, maxBackoff) {
		select {
		case <-r.missing:
		case <-r.ctx.Done():
			return
		}
		if r.joinOnce() {
			pause = minBackoff
			continue
		}
		r.look()
		if !r.sleep(pause) {
			return
		}
	}
}

// joinOnce tries every unit that is without this path; false if one is left.
func (r *route) joinOnce() bool {
	if r.m.gate.enter(r.ctx, true) != nil {
		return true
	}
	defer r.m.gate.leave()
	var all sync.WaitGroup
	turn := make(chan struct{}, maxOpening)
	for lun, u := range r.without() {
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			r.open(lun, u)
		})
	}
	all.Wait()
	return len(r.without()) == 0
}

// open makes the path one of the unit's, or says why it is not. It is tried again, and
// meanwhile others open units.
func (r *route) open(lun scsi.LUN, u *Unit) {
	ctx, cancel := context.WithTimeout(r.ctx, r.session.live().CommandTimeout)
	defer cancel()
	d, err := r.session.OpenDisk(ctx, lun)
	if err != nil {
		r.refuse(u, err)
		return
	}
	r.m.join(u, d)
}

// without returns the units that have not got this path.
func (r *route) without() map[scsi.LUN]*Unit {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	list := map[scsi.LUN]*Unit{}
	for lun, u := range r.m.units {
		if !u.has(r.session) {
			list[lun] = u
		}
	}
	return list
}

// refuse notes, and tells once, why the path does not lead to a unit.
func (r *route) refuse(u *Unit, err error) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	if r.ctx.Err() != nil {
		return
	}
	if old := r.refused[u]; old == nil || old.Error() != err.Error() {
		u.log.Error().Str("path", r.cfg.path).Err(err).Msg("path does not lead to the unit: it is not used for it")
	}
	if r.refused == nil {
		r.refused = map[*Unit]error{}
	}
	r.refused[u] = err
}

// accept notes that the path leads to a unit.
func (r *route) accept(u *Unit) {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	delete(r.refused, u)
	u.log.Info().Str("path", r.cfg.path).Msg("path joined")
}

// has tells whether a disk of the session is a path of the unit.
func (u *Unit) has(s *Session) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.paths {
		if p.disk.s == s {
			return true
		}
	}
	return false
}
