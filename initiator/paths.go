package initiator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Paths are several sessions with one target, each by a way of its own: by
// another portal for redundancy, or several by one portal for throughput. Its
// logical units are opened as [Unit]s. All methods may be called by several
// goroutines.
//
// A path that does not answer when the others do is tried in the background, and
// joins the units when it comes.
type Paths struct {
	log zerolog.Logger

	ctx   context.Context // ends with Close
	stop  context.CancelFunc
	tasks sync.WaitGroup // route.keep of each route, which ends with ctx
	gate  *openingGate

	mu     sync.Mutex         // guards what follows and the routes
	routes []*route           // in the order of their coming
	units  map[scsi.LUN]*Unit // that are at home here, or were joined
}

// joinGrace is how long a login waits for the other paths when the first has
// answered: those that are well answer as fast.
const joinGrace = time.Second

// LoginPaths logs in by every path; each configuration names one portal and an
// ISID of its own. It succeeds when one path does. Config.ReplacementTimeout holds
// for the units, not for a single path. The returned Paths are to be ended with
// [Paths.Logout] or [Paths.Close].
func LoginPaths(ctx context.Context, cfgs []Config) (*Paths, error) {
	m := &Paths{log: cfgs[0].Logger, gate: newOpeningGate(), units: map[scsi.LUN]*Unit{}}
	m.ctx, m.stop = context.WithCancel(context.Background())
	answers := make(chan error, len(cfgs))
	m.mu.Lock()
	for _, cfg := range cfgs {
		m.addLocked(cfg, answers)
	}
	m.mu.Unlock()
	if err := m.awaitFirst(ctx, answers); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// pathName names the nth path by a portal.
func pathName(portal string, n int) string {
	if n == 1 {
		return portal
	}
	return fmt.Sprintf("%s session %d", portal, n)
}

// awaitFirst waits for a path that answers, and a moment longer for the others.
// Of several errors it returns the last that is not a mere silence: a refusal
// tells more than a timeout.
func (m *Paths) awaitFirst(ctx context.Context, answers <-chan error) (worst error) {
	var enough <-chan time.Time
	found := false
	for range cap(answers) {
		select {
		case err := <-answers:
			var e *Error
			switch {
			case err == nil && !found:
				found, enough = true, time.After(joinGrace)
			case err != nil && (worst == nil || errors.As(err, &e) && !e.Timeout()):
				worst = err
			}
		case <-enough:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if found {
		return nil
	}
	return worst
}

// LUNs asks the target for its logical units, by the first path that answers, see
// [Session.LUNs].
func (m *Paths) LUNs(ctx context.Context) ([]scsi.LUN, error) {
	var first error
	for _, s := range m.sessions() {
		luns, err := s.LUNs(ctx)
		if err == nil {
			return luns, nil
		}
		first = cmpError(first, err)
	}
	return nil, first
}

// cmpError returns the first error that there is.
func cmpError(first, next error) error {
	if first != nil {
		return first
	}
	return next
}

// sessions returns those that are there, the ones that are logged in first.
func (m *Paths) sessions() []*Session {
	m.mu.Lock()
	defer m.mu.Unlock()
	var up, down []*Session
	for _, r := range m.routes {
		switch {
		case r.session == nil:
		case r.session.Status().State == LoggedIn:
			up = append(up, r.session)
		default:
			down = append(down, r.session)
		}
	}
	return append(up, down...)
}

// OpenUnit opens a logical unit by every path that leads to it. It fails when none
// does, with ErrNotDisk when the LUN is absent or no disk.
func (m *Paths) OpenUnit(ctx context.Context, lun scsi.LUN) (*Unit, error) {
	if err := m.gate.enter(ctx, false); err != nil {
		return nil, err
	}
	defer m.gate.leave()
	if err := m.opened(lun); err != nil {
		return nil, err
	}
	first, others, err := m.openDisks(ctx, lun)
	if err != nil {
		return nil, err
	}
	u := newUnit(m, first, first.s.live().unitTimeout)
	if !m.enlist(u, lun) {
		closeDisks(others)
		_ = u.Close()
		if err := m.opened(lun); err != nil { // by another, meanwhile
			return nil, err
		}
		return nil, u.error("open", ErrClosed)
	}
	for _, d := range others {
		m.join(u, d)
	}
	m.lookAll()
	return u, nil
}

// opened is the error of a LUN that is open already.
func (m *Paths) opened(lun scsi.LUN) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if u := m.units[lun]; u != nil {
		return u.error("open", errors.New("the LUN is open already"))
	}
	return nil
}

// enlist makes a LUN one that the paths lead to as long as they live; false if they
// have ended already, or another unit is there.
func (m *Paths) enlist(u *Unit, lun scsi.LUN) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.units == nil || m.units[lun] != nil {
		return false
	}
	m.units[lun] = u
	return true
}

// forget lets the LUN of a unit be opened again.
func (m *Paths) forget(u *Unit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	maps.DeleteFunc(m.units, func(_ scsi.LUN, other *Unit) bool { return other == u })
	for _, r := range m.routes {
		delete(r.refused, u)
	}
}

// lookAll has every route look whether a unit is without it.
func (m *Paths) lookAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.routes {
		r.look()
	}
}

// openDisks opens a logical unit on all sessions at once. first is one whose
// medium could be looked at.
func (m *Paths) openDisks(ctx context.Context, lun scsi.LUN) (first *Disk, others []*Disk, err error) {
	sessions := m.sessions()
	disks, errs := make([]*Disk, len(sessions)), make([]error, len(sessions))
	var all sync.WaitGroup
	for i, s := range sessions {
		all.Go(func() { disks[i], errs[i] = s.OpenDisk(ctx, lun) })
	}
	all.Wait()
	for i, d := range disks {
		switch {
		case errs[i] != nil:
			err = cmpError(err, errs[i])
		case first == nil && !d.info.Load().Restricted:
			first = d
		default:
			others = append(others, d)
		}
	}
	if first != nil {
		return first, others, nil
	}
	for _, d := range others {
		err = cmpError(err, d.error("open", errors.New("no path is in a state in which the medium can be reached")))
		_ = d.Close()
	}
	return nil, nil, err
}

// join makes a disk a path of the unit, if it is proven to lead there.
func (m *Paths) join(u *Unit, d *Disk) {
	known, info := u.Info(), d.Info()
	if err := samePath(&known, &info); err != nil {
		m.routeOf(d.s).refuse(u, d.error("open", fmt.Errorf("%w: %w", ErrIdentity, err)))
		_ = d.Close()
		return
	}
	info.complete(&known)
	d.info.Store(&info)
	if err := u.admit(m.ctx, d); err != nil {
		m.routeOf(d.s).refuse(u, err)
		_ = d.Close()
		return
	}
	m.routeOf(d.s).accept(u)
}

func (m *Paths) routeOf(s *Session) *route {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.routes {
		if r.session == s {
			return r
		}
	}
	return nil
}

// Logout logs out of all sessions in order; what waits fails with ErrClosed. All is
// closed when it returns, also with an error.
func (m *Paths) Logout(ctx context.Context) error {
	return m.end(func(s *Session) error { return s.Logout(ctx) })
}

// Close ends all sessions at once, without a logout.
func (m *Paths) Close() error { return m.end((*Session).Close) }

func (m *Paths) end(how func(*Session) error) error {
	m.stop()
	m.mu.Lock()
	units := m.units
	m.units = nil
	m.mu.Unlock()
	var joined []*Unit
	for _, u := range units {
		if u.home(m) {
			u.end()
		} else {
			joined = append(joined, u)
		}
	}
	m.tasks.Wait()
	for _, u := range joined {
		u.dismiss(m)
	}
	sessions := m.sessions()
	errs := make([]error, len(sessions))
	var all sync.WaitGroup
	for i, s := range sessions {
		all.Go(func() { errs[i] = how(s) })
	}
	all.Wait()
	return join(errs...)
}
