package initiator

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// A storage array may give each of its ports a target name of its own. Its logical
// units are then met again under another name, perhaps by another LUN. They stay
// units of the Paths that opened them first, their home; other Paths join them as
// guests, and what Unit promises holds for all paths alike.

// JoinUnit makes paths to this target further paths of a unit that other Paths have
// opened, as LUN lun of this one: those that are proven to lead to it, now and when
// they come. At least one has to. They leave it with [Paths.LeaveUnit], and when
// either Paths end.
func (m *Paths) JoinUnit(ctx context.Context, lun scsi.LUN, u *Unit) error {
	if err := m.lockOpening(ctx); err != nil {
		return err
	}
	defer m.unlockOpening()
	if err := m.opened(lun); err != nil {
		return err
	}
	first, others, err := m.openDisks(ctx, lun)
	if err != nil {
		return err
	}
	if !u.welcome(m) || !m.enlist(u, lun) {
		closeDisks(append(others, first))
		m.leave(u)
		return u.error("join", ErrClosed)
	}
	for _, d := range append(others, first) {
		m.join(u, d)
	}
	if len(u.disksOf(m)) == 0 {
		err := errors.Join(m.Refusals(u)...)
		m.leave(u)
		return err
	}
	m.lookAll()
	return nil
}

// LeaveUnit takes the paths to this target from a unit that has its home elsewhere.
// What was under way on them goes out on the others. It does nothing to a unit that
// was not joined.
func (m *Paths) LeaveUnit(u *Unit) {
	_ = m.lockOpening(context.Background()) // so that none joins meanwhile
	defer m.unlockOpening()
	m.leave(u)
}

func (m *Paths) leave(u *Unit) {
	m.forget(u)
	u.dismiss(m)
}

// lookAll has every path look whether a unit is without it.
func (m *Paths) lookAll() {
	for _, r := range m.routes {
		r.look()
	}
}

// closeDisks closes what has become no path.
func closeDisks(disks []*Disk) {
	for _, d := range disks {
		_ = d.Close()
	}
}

// welcome makes m a guest; false if the unit has ended.
func (u *Unit) welcome(m *Paths) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.Contains(u.members, m) {
		u.members = append(u.members, m)
	}
	return !u.isClosed()
}

// dismiss takes the paths of a guest out: nothing more goes out on them, and their
// disks are closed when what is under way has ended, be it by the loss of a session.
func (u *Unit) dismiss(m *Paths) {
	disks := u.disksOf(m)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.members = slices.DeleteFunc(u.members, func(other *Paths) bool { return other == m })
	for _, p := range u.paths {
		p.leaving = p.leaving || slices.Contains(disks, p.disk)
	}
	u.reviewLocked()
	if len(disks) > 0 {
		u.drainLocked(disks[0].s.cfg.CommandTimeout)
	}
	u.mu.Unlock()
	closeDisks(disks)
	u.mu.Lock()
	u.pruneLocked()
	u.reviewLocked()
}

// drainLocked waits until nothing is under way on paths that leave. What a target does
// not answer in time may be executed later, as that of a lost path.
func (u *Unit) drainLocked(limit time.Duration) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for slices.ContainsFunc(u.paths, func(p *path) bool { return p.leaving && p.flight > 0 }) {
		changed := u.changed
		u.mu.Unlock()
		select {
		case <-changed:
			u.mu.Lock()
			continue
		case <-timer.C:
		case <-u.ctx.Done():
		}
		u.mu.Lock()
		for _, p := range u.paths {
			p.ghost = p.ghost || p.leaving && p.flight > 0
		}
		return
	}
}

// pruneLocked forgets the paths that have left, but for those whose writes may still be
// executed: a reset through another path ends them first.
func (u *Unit) pruneLocked() {
	u.paths = slices.DeleteFunc(u.paths, func(p *path) bool {
		gone := p.leaving && !p.ghost
		if gone {
			u.epoch += p.disk.Epoch() // the sum never comes back to an earlier one
		}
		return gone
	})
}

// disksOf returns the disks by which the sessions of m lead to the unit.
func (u *Unit) disksOf(m *Paths) (list []*Disk) {
	sessions := m.sessions()
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, p := range u.paths {
		if slices.Contains(sessions, p.disk.s) {
			list = append(list, p.disk)
		}
	}
	return list
}
