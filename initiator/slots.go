package initiator

import "github.com/iscsifs/iscsifs/initiator/pdu"

// An Initiator Task Tag is a slot of the table plus the generation of its use,
// so that the tag of an ended task is not met again for 2^20 uses of its slot:
// a late answer is recognized, never credited to another task.
const (
	slotBits = 12
	slotMask = 1<<slotBits - 1
	// maxSlots leaves out the slot that all ones would name, so that no tag is
	// ever pdu.ReservedTag.
	maxSlots = 1024
)

// slotTable gives tags to tasks that are under way. Guarded by Session.mu.
type slotTable struct {
	tasks      [maxSlots]*task
	generation [maxSlots]uint32
	free       []uint16
}

func newSlotTable() *slotTable {
	t := &slotTable{free: make([]uint16, maxSlots)}
	for i := range t.free {
		t.free[i] = uint16(maxSlots - 1 - i)
	}
	return t
}

// available tells whether a command may take a slot; a few are kept for
// immediate requests, so that an abort or a ping never waits.
func (s *slotTable) available(immediate bool) bool {
	const reserve = 16
	return len(s.free) > reserve || immediate && len(s.free) > 0
}

// add gives the task a tag.
func (s *slotTable) add(t *task) {
	slot := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	s.generation[slot]++
	s.tasks[slot] = t
	t.itt = s.generation[slot]<<slotBits | uint32(slot)
}

// find returns the task with the tag, or nil.
func (s *slotTable) find(itt uint32) *task {
	slot := itt & slotMask
	if slot >= maxSlots || s.tasks[slot] == nil || s.tasks[slot].itt != itt {
		return nil
	}
	return s.tasks[slot]
}

// late tells whether the tag belonged to a task that has ended, or that goes by
// another tag since: those of commands that were aborted, or taken as such, may
// still be met when their slot has been used again.
func (s *slotTable) late(itt uint32) bool {
	slot := itt & slotMask
	if itt == pdu.ReservedTag || slot >= maxSlots || s.find(itt) != nil {
		return false
	}
	const generations = 1 << (32 - slotBits)
	usesAgo := (s.generation[slot] - itt>>slotBits) % generations
	return usesAgo < min(s.generation[slot], generations/2)
}

// remove frees the task's slot, if it has one.
func (s *slotTable) remove(t *task) {
	if s.find(t.itt) != t {
		return
	}
	slot := uint16(t.itt & slotMask)
	s.tasks[slot] = nil
	s.free = append(s.free, slot)
}

// all calls f for every task under way.
func (s *slotTable) all(f func(*task)) {
	for _, t := range s.tasks {
		if t != nil {
			f(t)
		}
	}
}
