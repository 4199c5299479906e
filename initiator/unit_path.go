package initiator

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// pathState says whether a path leads to the logical unit. Only setLocked
// changes it:
//
//	      the session is lost or closed;
//	      the LUN is away or another unit
//	up ────────────────────────────────────► down
//	 ▲                                        │
//	 └────────────────────────────────────────┘
//	  logged in, and proven to lead to the unit
//
// An asymmetric access state that is not active keeps a path that is up from
// being used, see path.usable.
type pathState uint8

const (
	pathDown pathState = iota
	pathUp
)

// path is one disk of a unit; its fields are guarded by Unit.mu.
type path struct {
	disk   *Disk
	state  pathState
	reason error // why it is not up
	access scsi.AccessState
	port   scsi.TargetPort // which leads to it
	flight int             // commands of accesses under way
	// ghost: writes were unanswered when it was lost, and nothing has ended
	// them since.
	ghost   bool
	leaving bool // for ever, see retire
	dropped bool // its disk is closed
}

// usable tells whether accesses may go out on the path.
func (p *path) usable() bool { return p.state == pathUp && p.access.Active() && !p.leaving }

// reportsAccess tells whether the target can be asked for access states (SPC-4,
// Section 6.4.2, TPGS).
func (p *path) reportsAccess() bool { return p.disk.info.Load().Inquiry.TPGS != 0 }

// rank orders paths: the lowest is the best. One that the unit is being reset
// through holds its commands meanwhile.
func (p *path) rank(resetting *Disk) int {
	if p.disk == resetting {
		return 3
	}
	switch p.access {
	case scsi.ActiveOptimized:
		return 0
	case scsi.LogicalBlockDependent:
		return 1
	}
	return 2
}

// before tells whether an access goes out on p rather than on other.
func (p *path) before(other *path, resetting *Disk) bool {
	a, b := p.rank(resetting), other.rank(resetting)
	return a < b || a == b && p.flight < other.flight
}

// add makes a disk a further path. The caller has proven that it leads to the
// unit. The session tells the unit from now on what becomes of it.
func (u *Unit) add(d *Disk) {
	d.depth = u.depth
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	d.unit, d.space = u, u.space
	up := s.conn != nil && d.state == DiskReady
	u.mu.Lock()
	defer u.mu.Unlock()
	p := &path{disk: d, port: scsi.TargetPortOf(d.info.Load().Designators), reason: s.reason}
	u.epoch -= d.Epoch()
	u.paths = append(u.paths, p)
	u.pruneLocked()
	if up {
		u.setLocked(p, pathUp, nil)
	} else {
		u.reviewLocked()
	}
}

// pathLocked returns the path of a disk.
func (u *Unit) pathLocked(d *Disk) *path {
	for _, p := range u.paths {
		if p.disk == d {
			return p
		}
	}
	return nil
}

// setLocked is the one place that changes the state of a path.
func (u *Unit) setLocked(p *path, to pathState, reason error) {
	p.state, p.reason = to, reason
	if to == pathUp {
		u.leadLocked(p.disk)
		if p.reportsAccess() {
			u.refreshLocked()
		}
	}
	u.reviewLocked()
}

// leadLocked takes over what a disk has told of the unit, for the other paths too:
// theirs may be older.
func (u *Unit) leadLocked(d *Disk) {
	info := d.info.Load()
	if info.Restricted {
		return
	}
	u.lead = d
	for _, p := range u.paths {
		if other := p.disk.info.Load(); other.Capacity != info.Capacity || other.Mode != info.Mode {
			now := *other
			now.Capacity, now.Mode = info.Capacity, info.Mode
			p.disk.info.CompareAndSwap(other, &now)
		}
	}
}

// reviewLocked takes note of what a change of paths means for accesses.
func (u *Unit) reviewLocked() {
	usable, haunted := false, false
	for _, p := range u.paths {
		usable = usable || p.usable()
		haunted = haunted || p.ghost
	}
	if !usable && u.deadSince.IsZero() && !u.isClosed() {
		u.log.Warn().Msg("no path is left: accesses wait for one")
	}
	u.deadSince = since(u.deadSince, !usable)
	u.readySince = since(u.readySince, usable)
	u.hauntedSince = since(u.hauntedSince, haunted)
	u.expectLocked(!usable)
	if usable && u.failing {
		u.failing = false
		u.log.Info().Msg("a path is back: accesses go on")
	}
	if haunted {
		u.startResetLocked()
	}
	u.wakeLocked()
}

// since keeps the time at which something began, zero while it is not so.
func since(began time.Time, is bool) time.Time {
	switch {
	case !is:
		return time.Time{}
	case began.IsZero():
		return time.Now()
	}
	return began
}

// pathsLostLocked tells the units of the session's disks that the session is
// lost, before anybody hears of the end of its commands.
func (s *Session) pathsLostLocked(reason error) {
	for lun, d := range s.disks {
		if d.unit != nil {
			d.unit.lost(d, reason, s.ghosts[lun])
		}
	}
}

// lost takes note that the session of a disk is lost: ghost tells whether writes
// were unanswered. Called with Session.mu held.
func (u *Unit) lost(d *Disk, reason error, ghost bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	p := u.pathLocked(d)
	if p == nil {
		return // it has left
	}
	p.ghost = p.ghost || ghost
	u.setLocked(p, pathDown, reason)
	// That the session is lost it has said itself, for all its units.
	u.log.Debug().Str("path", d.s.cfg.path).Int("left", u.leftLocked()).Bool("unanswered_writes", ghost).Msg("path lost")
}

// diskChanged takes note of a new state of a disk. One that is being proven while its
// session lives holds its commands for a moment and stays a path. Called with
// Session.mu held.
func (u *Unit) diskChanged(d *Disk) {
	u.mu.Lock()
	defer u.mu.Unlock()
	p := u.pathLocked(d)
	switch {
	case p == nil: // it has left
	case d.state == DiskReady && p.state == pathUp: // it was asked once more
		p.port = scsi.TargetPortOf(d.info.Load().Designators)
		u.leadLocked(d)
	case d.state == DiskReady:
		p.port = scsi.TargetPortOf(d.info.Load().Designators)
		p.access = scsi.ActiveOptimized // until the target, asked anew, says otherwise
		u.setLocked(p, pathUp, nil)
		u.log.Debug().Str("path", d.s.cfg.path).Int("left", u.leftLocked()).Msg("path back")
	case !d.state.usable() && p.state == pathUp:
		u.setLocked(p, pathDown, d.reason)
		if d.state != DiskClosed {
			u.log.Error().Str("path", d.s.cfg.path).Int("left", u.leftLocked()).Err(d.reason).Msg("path taken out until it leads to the unit again")
		}
	case !d.state.usable():
		p.reason = d.reason
	}
}

// leftLocked counts the usable paths.
func (u *Unit) leftLocked() (n int) {
	for _, p := range u.paths {
		if p.usable() {
			n++
		}
	}
	return n
}

// reasonLocked tells why no path is usable, for people.
func (u *Unit) reasonLocked() error {
	var all []error
	for _, p := range u.paths {
		switch {
		case p.reason != nil:
			all = append(all, p.reason)
		case p.state == pathUp && !p.access.Active():
			all = append(all, fmt.Errorf("the path by %s is %v", p.disk.s.cfg.path, p.access))
		}
	}
	return join(all...)
}

// samePath tells whether two disks of one target and LUN number are proven to be
// one logical unit: by the designator of VPD page 83h or, where there is none,
// by the serial number.
func samePath(a, b *DiskInfo) error {
	x, named := scsi.BestDesignator(a.Designators)
	y, otherNamed := scsi.BestDesignator(b.Designators)
	switch {
	case named != otherNamed || named && (x.Type != y.Type || !bytes.Equal(x.Value, y.Value)):
		return fmt.Errorf("its designator is %x, not %x", y.Value, x.Value)
	case a.Serial != b.Serial:
		return fmt.Errorf("its serial number is %q, not %q", b.Serial, a.Serial)
	case !named && a.Serial == "":
		return errors.New("the target gives neither a designator (VPD page 83h) nor a serial number (80h) that would prove it the same unit")
	case !b.Restricted && a.Capacity.BlockSize != b.Capacity.BlockSize:
		return fmt.Errorf("its blocks have %d bytes, not %d", b.Capacity.BlockSize, a.Capacity.BlockSize)
	}
	return nil
}
