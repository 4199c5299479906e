package initiator

import (
	"context"
	"slices"
	"sync"
	"time"
)

// addLocked begins a path. The first answer to its login goes to answers.
func (m *Paths) addLocked(cfg Config, answers chan<- error) {
	cfg.path = pathName(cfg.Portals[0], 1+m.countLocked(cfg.Portals[0]))
	cfg.unitTimeout, cfg.ReplacementTimeout = cfg.ReplacementTimeout, 0
	r := &route{m: m, cfg: cfg, missing: make(chan struct{}, 1), ended: make(chan struct{}), since: time.Now()}
	r.ctx, r.stop = context.WithCancel(m.ctx)
	m.routes = append(m.routes, r)
	m.tasks.Go(func() { r.keep(answers) })
}

// countLocked counts the paths by a portal.
func (m *Paths) countLocked(portal string) (n int) {
	for _, r := range m.routes {
		if r.cfg.Portals[0] == portal {
			n++
		}
	}
	return n
}

// Add adds paths; each configuration names one portal and an ISID of its own. It
// returns when each has been tried once, with the errors of those that could not
// log in: they are tried again until they can, or are removed.
func (m *Paths) Add(ctx context.Context, cfgs []Config) error {
	answers := make(chan error, len(cfgs))
	m.mu.Lock()
	if m.units == nil {
		m.mu.Unlock()
		return &Error{Op: "add a path", Err: ErrClosed}
	}
	for _, cfg := range cfgs {
		m.addLocked(cfg, answers)
	}
	m.mu.Unlock()
	var failures []error
	for range cfgs {
		select {
		case err := <-answers:
			failures = append(failures, err)
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-m.ctx.Done():
			return &Error{Op: "add a path", Err: ErrClosed}
		}
	}
	return join(failures...)
}

// Remove logs out of the sessions by a portal, as it is written in their
// configurations. No access fails of it: new ones go out on other paths, those under
// way are waited for until ctx ends, and then made again on other paths. The last
// path can be removed too; accesses then wait for one to be added.
func (m *Paths) Remove(ctx context.Context, portal string) error {
	// Not limited by ctx: what is removed is removed whole.
	if err := m.gate.enter(m.ctx, true); err != nil {
		return err
	}
	defer m.gate.leave()
	var all sync.WaitGroup
	gone := m.take(portal)
	errs := make([]error, len(gone))
	for i, r := range gone {
		all.Go(func() { errs[i] = r.depart(ctx) })
	}
	all.Wait()
	return join(errs...)
}

// take takes the routes by a portal out of the list.
func (m *Paths) take(portal string) (gone []*route) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.routes = slices.DeleteFunc(slices.Clone(m.routes), func(r *route) bool {
		is := r.cfg.Portals[0] == portal
		if is {
			gone = append(gone, r)
		}
		return is
	})
	return gone
}

// depart ends a route that is not in the list any more: its session logs out when
// what goes by it has been answered.
func (r *route) depart(ctx context.Context) error {
	r.stop()
	<-r.ended
	r.m.mu.Lock()
	s, units := r.session, r.m.unitsLocked()
	r.m.mu.Unlock()
	if s == nil {
		return nil
	}
	for _, u := range units {
		u.retire(s)
	}
	for _, u := range units {
		u.drain(ctx, s)
	}
	err := s.Logout(context.WithoutCancel(ctx))
	for _, u := range units {
		u.drop(s)
	}
	return err
}

func (m *Paths) unitsLocked() (list []*Unit) {
	for _, u := range m.units {
		list = append(list, u)
	}
	return list
}
