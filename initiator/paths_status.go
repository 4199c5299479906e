package initiator

import (
	"slices"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// accessOf returns the access state of the unit by the path of a session; false
// where that does not lead to it now.
func (u *Unit) accessOf(s *Session) (scsi.AccessState, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.paths {
		if p.disk.s == s && p.state == pathUp {
			return p.access, true
		}
	}
	return 0, false
}

// PathStatus is a snapshot of one path for people to look at.
type PathStatus struct {
	Address     string // "host:port" of the configuration
	Portal      string // in use, or last used, after redirects; empty before the first login
	Tag         int    // of the target portal group; -1 while not known
	LoggedIn    bool
	State       string
	Since       time.Time
	Reason      error     // why it is not logged in
	NextAttempt time.Time // of a login; zero when none is planned
	// Access are the asymmetric access states of the units by this path, each
	// once; none where no unit is reached.
	Access []scsi.AccessState
	// Session is the session of the path; nil before the first login.
	Session *SessionStatus
}

// PathStatus tells how each path does, in the order of the configuration.
func (m *Paths) PathStatus() []PathStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := make([]PathStatus, len(m.routes))
	for i, r := range m.routes {
		list[i] = r.statusLocked()
	}
	return list
}

// statusLocked requires Paths.mu.
func (r *route) statusLocked() PathStatus {
	st := PathStatus{Address: r.cfg.Portals[0], Tag: -1, State: "logging in", Since: r.since, Reason: r.reason, NextAttempt: r.next}
	if r.session == nil {
		return st
	}
	s := r.session.Status()
	st.Session = &s
	st.Portal, st.Tag = s.Portal, s.Params.TargetPortalGroupTag
	st.LoggedIn, st.State, st.Since, st.NextAttempt = s.State == LoggedIn, s.State.String(), s.Since, s.NextAttempt
	if !st.LoggedIn {
		st.Reason = s.Reason
	}
	for _, u := range r.m.units {
		if state, ok := u.accessOf(r.session); ok && !slices.Contains(st.Access, state) {
			st.Access = append(st.Access, state)
		}
	}
	return st
}

// Refusals tells for each unit which paths do not lead to it, and why.
func (m *Paths) Refusals(u *Unit) (list []error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.routes {
		if err := r.refused[u]; err != nil {
			list = append(list, err)
		}
	}
	return list
}

// Status tells how the sessions do together: logged in while one is, their
// statistics summed.
func (m *Paths) Status() SessionStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	var sum SessionStatus
	first := true
	for _, r := range m.routes {
		if r.session == nil {
			continue
		}
		s := r.session.Status()
		if first {
			sum, first = s, false
			sum.Portals = nil
		} else {
			sum.merge(s)
		}
	}
	for _, r := range m.routes {
		sum.Portals = append(sum.Portals, r.cfg.Portals[0])
		if r.session == nil && sum.Reason == nil {
			sum.Reason = r.reason
		}
	}
	return sum
}

// merge adds the status of a further path.
func (sum *SessionStatus) merge(s SessionStatus) {
	if sum.State != LoggedIn && s.State == LoggedIn {
		sum.State, sum.Since, sum.Portal, sum.Params, sum.NextAttempt = s.State, s.Since, s.Portal, s.Params, time.Time{}
	}
	if sum.State != LoggedIn && s.NextAttempt.Before(sum.NextAttempt) {
		sum.NextAttempt = s.NextAttempt
	}
	if sum.Reason == nil {
		sum.Reason = s.Reason
	}
	sum.Reconnects += s.Reconnects
	sum.Waiting += s.Waiting
	sum.Stats.add(&s.Stats)
	if s.LastContact.After(sum.LastContact) {
		sum.LastContact = s.LastContact
	}
}
