package daemon

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/iscsifs/iscsifs/cmd/internal/identity"
	"github.com/iscsifs/iscsifs/cmd/internal/status"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// pathConfigs are what the logins of a target are made of: one for each session
// with each portal.
//
// Each has an ISID of its own, by its place in the configuration. Sessions with
// different portal groups could share one (conservative reuse, RFC 7143, section
// 4.4.3.1), but to which group a portal belongs is known only after the login, and
// two sessions of one ISID with one group would end each other. What persistent
// reservations need is that an ISID stays: a path has the same after a restart,
// also when portals are added behind it or the number of sessions changes.
func pathConfigs(opts *Options, t *config.Target) (list []initiator.Config) {
	base := sessionConfig(opts, t)
	for i, portal := range base.Portals {
		for n := range t.Session.Sessions {
			cfg := base
			cfg.Portals = []string{portal}
			cfg.ISID = identity.SessionISID(opts.InitiatorName, t.IQN, opts.Mountpoint, i*config.MaxSessions+n)
			list = append(list, cfg)
		}
	}
	return list
}

// loginAll opens the sessions of a target: a single one as it is, several as the
// paths of its logical units.
func loginAll(ctx context.Context, cfgs []initiator.Config) (session, error) {
	if len(cfgs) == 1 {
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
	if several, ok := l.opened.(interface{ Portals() []string }); ok {
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
