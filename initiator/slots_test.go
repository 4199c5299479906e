package initiator

import (
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

func TestSlots(t *testing.T) {
	s := newSlotTable()
	first := &task{}
	s.add(first)
	if s.find(first.itt) != first {
		t.Fatal("a task is not found by its tag")
	}
	old := first.itt
	s.remove(first)
	if s.find(old) != nil {
		t.Error("an ended task is found by its tag")
	}
	if !s.late(old) {
		t.Error("the tag of an ended task is not known as late")
	}
	second := &task{}
	s.add(second)
	if second.itt == old {
		t.Error("a tag is given again at once")
	}
	if !s.late(old) || s.find(old) != nil {
		t.Error("a tag two uses ago is not known as late")
	}
	if next := second.itt + 1<<slotBits; s.late(next) {
		t.Error("the next tag counts as late")
	}
	if s.late(second.itt) || s.late(pdu.ReservedTag) || s.late(slotMask) {
		t.Error("tags that no ended task had count as late")
	}
}

// TestSlotsReserve: an abort or a ping finds a tag when commands have taken all
// that they may.
func TestSlotsReserve(t *testing.T) {
	s := newSlotTable()
	n := 0
	for s.available(false) {
		s.add(&task{})
		n++
	}
	if n < maxSlots/2 {
		t.Errorf("only %d commands have room", n)
	}
	if !s.available(true) {
		t.Fatal("no room for an immediate request")
	}
	for s.available(true) {
		task := &task{}
		s.add(task)
		if task.itt == pdu.ReservedTag {
			t.Fatal("a task got the reserved tag")
		}
	}
}
