package initiator

import (
	"context"
	"errors"
	"slices"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// A storage array may give each of its ports a target name of its own. Its logical
// units are then met again under another name, perhaps by another LUN. They stay
// units of the Paths that opened them first, their home; other Paths join them as
// guests, and what Unit promises holds for all paths alike.

// JoinUnit makes paths to this target further paths of a unit that other Paths have
// opened, as LUN lun of this one: those that are proven to lead to it, now and when
// they come. At least one has to; by two LUNs they cannot. They leave it with
// [Paths.LeaveUnit], and when either Paths end.
func (m *Paths) JoinUnit(ctx context.Context, lun scsi.LUN, u *Unit) error {
	if err := m.gate.enter(ctx, true); err != nil {
		return err
	}
	defer m.gate.leave()
	if err := m.opened(lun); err != nil {
		return err
	}
	if u.member(m) {
		return u.error("join", errors.New("these sessions lead to it already, by another LUN"))
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
		err := join(m.Refusals(u)...)
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
	_ = m.gate.enter(context.Background(), true) // so that none joins meanwhile
	defer m.gate.leave()
	m.leave(u)
}

func (m *Paths) leave(u *Unit) {
	m.forget(u)
	u.dismiss(m)
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
	u.members = append(u.members, m)
	return !u.isClosed()
}

// member tells whether sessions of m may lead to the unit.
func (u *Unit) member(m *Paths) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return slices.Contains(u.members, m)
}

// dismiss takes the paths of a guest out. What a target does not answer within
// Config.CommandTimeout is ended by a reset through another path.
func (u *Unit) dismiss(m *Paths) {
	for _, d := range u.disksOf(m) {
		u.retire(d.s)
	}
	for _, d := range u.disksOf(m) {
		ctx, cancel := context.WithTimeout(u.ctx, d.s.live().CommandTimeout)
		u.drain(ctx, d.s)
		cancel()
		u.drop(d.s)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.members = slices.DeleteFunc(u.members, func(other *Paths) bool { return other == m })
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
