package daemon

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/iscsifs/iscsifs/cmd/internal/identity"
	"github.com/iscsifs/iscsifs/cmd/internal/status"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// paths are what the logins of a target are made of: one for each session with each
// portal, in the order of the configuration.
//
// Each has an ISID of its own, by the place that its portal had when the target was
// first met with it. Sessions with different portal groups could share one
// (conservative reuse, RFC 7143, section 4.4.3.1), but to which group a portal belongs
// is known only after the login, and two sessions of one ISID with one group would end
// each other. What persistent reservations need is that an ISID stays: a path has the
// same after a restart, also when portals are added behind it or the number of sessions
// changes.
func (t *target) paths() []initiator.Config { return t.pathsWith(t.cfg()) }

// pathsWith are the paths that there would be with these settings.
func (t *target) pathsWith(settings *config.Target) (list []initiator.Config) {
	for _, portal := range settings.Portals {
		list = append(list, t.pathsBy(portal.String(), settings)...)
	}
	return list
}

// pathsBy are those by one portal.
func (t *target) pathsBy(portal string, settings *config.Target) (list []initiator.Config) {
	base := sessionConfig(t.opts, settings)
	base.OnEvent, base.AcceptShrink = t.news.tell, t.acceptsShrink
	base.Portals = []string{portal}
	t.mu.Lock()
	place := t.places[portal]
	t.mu.Unlock()
	for n := range settings.Session.Sessions {
		cfg := base
		cfg.ISID = identity.SessionISID(t.opts.InitiatorName, settings.IQN, t.opts.Mountpoint, place*config.MaxSessions+n)
		list = append(list, cfg)
	}
	return list
}

// pathsIn are the paths but for those that were logged out by hand.
func (t *target) pathsIn() []initiator.Config {
	return slices.DeleteFunc(t.paths(), func(c initiator.Config) bool { return t.isOut(c.Portals[0]) })
}

func (t *target) isOut(portal string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.outPaths[portal]
}

// placePortals gives each portal a place of its own; who has one keeps it.
func (t *target) placePortals(portals []config.Portal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, p := range portals {
		if _, placed := t.places[p.String()]; !placed {
			t.places[p.String()] = freePlace(t.places, i)
		}
	}
}

// freePlace is the first place from i on that is not taken.
func freePlace(places map[string]int, i int) int {
	taken := slices.Collect(maps.Values(places))
	for slices.Contains(taken, i) {
		i++
	}
	return i
}

// loginAll opens the sessions of a target: the only one as it is, several as the
// paths of its logical units. A target that has several can lose all but one by a
// logout, and get them back. See target.several.
func loginAll(ctx context.Context, cfgs []initiator.Config, several bool) (session, error) {
	if !several {
		return login(ctx, cfgs[0])
	}
	paths, err := initiator.LoginPaths(ctx, cfgs)
	if err != nil {
		return nil, err
	}
	return realPaths{paths}, nil
}

// realPaths are initiator.Paths whose units come as the interface.
type realPaths struct{ *initiator.Paths }

func (p realPaths) OpenDisk(ctx context.Context, lun scsi.LUN) (disk, error) {
	u, err := p.OpenUnit(ctx, lun)
	if err != nil {
		return nil, err
	}
	return unitDisk{u, p.Paths}, nil
}

// unitDisk is a unit that knows which paths do not lead to it.
type unitDisk struct {
	*initiator.Unit
	paths *initiator.Paths
}

// Refusals tells which paths are not used for the unit, and why.
func (d unitDisk) Refusals() (list []string) {
	for _, err := range d.paths.Refusals(d.Unit) {
		why := err.Error()
		if errors.Is(err, initiator.ErrNotDisk) {
			why += "; does the target map the LUN to this initiator by that portal?"
		}
		list = append(list, "a path is not used: "+why)
	}
	return list
}

// Portals are the addresses by which there are paths, each once: those in use and,
// of paths that are not there yet, those of the configuration.
func (d unitDisk) Portals() (list []string) {
	for _, p := range d.paths.PathStatus() {
		if address := portalOf(p); !slices.Contains(list, address) {
			list = append(list, address)
		}
	}
	return list
}

// portalOf is where a path leads, after redirects, once it is known.
func portalOf(p initiator.PathStatus) string {
	if p.Portal == "" {
		return p.Address
	}
	return p.Portal
}

// portals are the addresses by which the LUN is reached.
func (l *lun) portals() []string {
	if several, ok := l.opened.inner().(interface{ Portals() []string }); ok {
		return several.Portals()
	}
	return []string{l.portal}
}

// addPaths says how each path does, where there are several.
func addPaths(r *status.Target, s session) bool {
	several, ok := s.(interface{ PathStatus() []initiator.PathStatus })
	if !ok {
		return false
	}
	loggedOut := slices.DeleteFunc(r.Portals, func(p status.Portal) bool { return p.State != out.String() })
	r.Portals = nil
	for _, p := range several.PathStatus() {
		r.Portals = append(r.Portals, status.Portal{
			Address: portalOf(p),
			TPGT:    p.Tag,
			State:   p.State,
			ALUA:    accessText(p.Access),
			Reason:  reason(p.Reason),
		})
	}
	r.Portals = append(r.Portals, loggedOut...)
	return true
}

// accessText names the access states that the units have by a path.
func accessText(states []scsi.AccessState) string {
	var names []string
	for _, s := range states {
		names = append(names, s.String())
	}
	return strings.Join(names, ", ")
}

// sessionsOf are the sessions of a target that have logged in at least once.
func sessionsOf(s session) (list []initiator.SessionStatus) {
	several, ok := s.(interface{ PathStatus() []initiator.PathStatus })
	if !ok {
		return []initiator.SessionStatus{s.Status()}
	}
	for _, p := range several.PathStatus() {
		if p.Session != nil {
			list = append(list, *p.Session)
		}
	}
	return list
}
