package initiator

import (
	"fmt"
	"slices"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// EventKind is what an [Event] tells of.
type EventKind uint8

// The kinds of events.
const (
	CapacityChanged     EventKind = iota + 1 // [Disk.Size] is another
	ModeChanged                              // write protection or caching
	InquiryChanged                           // inquiry data, designators or limits
	AccessStateChanged                       // 2A/06: ask for the ALUA states again (SPC-4, Section 5.15)
	ReservationsChanged                      // 2A/03 to 2A/05: preempted or released
	LUNsChanged                              // 3F/0E, or a new login: ask for REPORT LUNS again; the LUN is zero
	LUNLost                                  // the disk cannot be used, or none of the unit's paths, see Reason
	LUNBack                                  // it is used again
	SpaceChanged                             // [DiskStatus].Space is another
)

var eventNames = [...]string{
	CapacityChanged:     "capacity changed",
	ModeChanged:         "mode parameters changed",
	InquiryChanged:      "inquiry data changed",
	AccessStateChanged:  "asymmetric access state changed",
	ReservationsChanged: "reservations changed",
	LUNsChanged:         "reported LUNs changed",
	LUNLost:             "LUN lost",
	LUNBack:             "LUN back",
	SpaceChanged:        "space changed",
}

func (k EventKind) String() string {
	if k > 0 && int(k) < len(eventNames) {
		return eventNames[k]
	}
	return fmt.Sprintf("unknown(%d)", uint8(k))
}

// Event is what a target announced, after the session has taken it into account:
// the [Disk] tells the new state already.
type Event struct {
	Kind EventKind
	LUN  scsi.LUN
	// Reason says why a LUN is lost: among others ErrIdentity, ErrShrunk or
	// ErrNotDisk. It is nil for all other kinds.
	Reason error
}

// tellLocked queues an event for the user. One that waits already is not
// doubled, so that no target can make the queue long.
func (s *Session) tellLocked(e Event) {
	if s.cfg.OnEvent == nil || s.isClosed() {
		return
	}
	s.events = slices.DeleteFunc(s.events, func(q Event) bool { return q.Kind == e.Kind && q.LUN == e.LUN })
	s.events = append(s.events, e)
	if !s.telling {
		s.telling = true
		s.wg.Go(s.tell)
	}
}

// tell hands the events over, one after the other, until none is left.
func (s *Session) tell() {
	for {
		s.mu.Lock()
		if len(s.events) == 0 || s.isClosed() {
			s.telling = false
			s.mu.Unlock()
			return
		}
		e := s.events[0]
		s.events = s.events[1:]
		s.mu.Unlock()
		s.cfg.OnEvent(e)
	}
}

// eventSet is a set of kinds.
type eventSet uint16

func (e *eventSet) add(k EventKind) { *e |= 1 << k }

func (e eventSet) has(k EventKind) bool { return e&(1<<k) != 0 }

// tellAllLocked tells of every kind in the set.
func (s *Session) tellAllLocked(lun scsi.LUN, set eventSet) {
	for kind := CapacityChanged; kind <= LUNBack; kind++ {
		switch {
		case !set.has(kind):
		case kind == LUNsChanged:
			s.tellLocked(Event{Kind: kind})
		default:
			s.tellLocked(Event{Kind: kind, LUN: lun})
		}
	}
}
