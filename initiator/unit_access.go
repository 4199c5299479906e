package initiator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// How often the access states are asked for: no sooner than refreshPause after
// the last time, and every pollPause while a change is to be expected.
const (
	refreshPause = 100 * time.Millisecond
	pollPause    = time.Second
)

// accessChanged takes note of a unit attention that announces new access states, or
// that may have taken the place of one which did. Called with Session.mu held.
func (u *Unit) accessChanged() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refreshLocked()
}

// refreshLocked has the access states asked for.
func (u *Unit) refreshLocked() {
	u.stale = true
	if !u.refreshing {
		u.refreshing = true
		u.goLocked(u.refresh)
	}
}

// refresh asks for the access states until they are known and stay. It is the
// only one that asks, so that no older answer comes after a newer one.
func (u *Unit) refresh() {
	for {
		disks := u.askable()
		if disks == nil {
			return
		}
		if !u.pauseRefresh(slices.ContainsFunc(disks, u.ask)) {
			return
		}
	}
}

// askable returns the paths that can be asked; nil, and refresh's end, if nothing
// is to be asked.
func (u *Unit) askable() (disks []*Disk) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stale && !u.isClosed() {
		for _, p := range u.paths {
			if p.state == pathUp && p.reportsAccess() {
				disks = append(disks, p.disk)
			}
		}
	}
	u.stale = false
	u.refreshing = disks != nil
	return disks
}

// pauseRefresh waits before the next question. While a port group is between two
// states, or no path is usable for its state, the target may forget to announce
// what comes next; what no path has told is asked for again.
func (u *Unit) pauseRefresh(told bool) bool {
	u.mu.Lock()
	pause := refreshPause
	if !u.stale && (!told || u.unsettledLocked()) {
		u.stale, pause = true, pollPause
	}
	u.mu.Unlock()
	select {
	case <-time.After(pause):
		return true
	case <-u.ctx.Done():
		return false
	}
}

// unsettledLocked tells whether new access states are to be expected.
func (u *Unit) unsettledLocked() bool {
	up := false
	for _, p := range u.paths {
		if p.state != pathUp {
			continue
		}
		up = true
		if p.access == scsi.Transitioning {
			return true
		}
	}
	return up && u.leftLocked() == 0
}

// ask asks one path for the states of all.
func (u *Unit) ask(d *Disk) bool {
	ctx, cancel := context.WithTimeout(u.ctx, d.s.live().CommandTimeout)
	defer cancel()
	groups, err := d.targetPortGroups(ctx)
	if err != nil && !unsupported(err) {
		u.log.Debug().Str("path", d.s.cfg.path).Err(err).Msg("cannot ask for the access states")
		return false
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.paths {
		state := scsi.ActiveOptimized // without its group there is nothing to choose by
		if g, ok := p.port.GroupOf(groups); err == nil && ok {
			state = g.State
		}
		u.accessLocked(p, state)
	}
	return true
}

// accessLocked is the one place that changes the access state of a path.
func (u *Unit) accessLocked(p *path, to scsi.AccessState) {
	if p.access == to {
		return
	}
	u.log.Info().Str("path", p.disk.s.cfg.path).Stringer("from", p.access).Stringer("to", to).Msg("access state of a path changed")
	p.access = to
	u.reviewLocked()
}

// unsupported tells whether the target does not know a command.
func unsupported(err error) bool {
	var e *Error
	return errors.As(err, &e) && errors.Is(e.Err, ErrSCSI) && scsi.Classify(e.Status, e.Sense) == scsi.NotSupported
}

// maxGroups bounds the answer of REPORT TARGET PORT GROUPS, in bytes.
const maxGroups = 64 << 10

// targetPortGroups asks for the access states of all port groups (SPC-4, Section
// 6.37).
func (d *Disk) targetPortGroups(ctx context.Context) ([]scsi.TargetPortGroup, error) {
	for alloc := 1024; ; {
		b, err := d.s.query(ctx, false, d.lun, scsi.ReportTargetPortGroups(uint32(alloc)), make([]byte, alloc))
		if err != nil {
			return nil, err
		}
		groups, total, err := scsi.ParseTargetPortGroups(b)
		switch {
		case total > alloc && total <= maxGroups:
			alloc = total
		case err != nil:
			return nil, d.error("REPORT TARGET PORT GROUPS", fmt.Errorf("%w: %w", ErrProtocol, err))
		default:
			return groups, nil
		}
	}
}
