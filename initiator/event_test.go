package initiator

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// eventLog collects events.
type eventLog struct {
	mu  sync.Mutex
	all []Event
}

func (e *eventLog) add(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
}

// await waits for an event, and forgets it and those before it.
func (e *eventLog) await(t *testing.T, kind EventKind, lun scsi.LUN, reason error) {
	t.Helper()
	await(t, kind.String(), func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		for i, ev := range e.all {
			if ev.Kind == kind && ev.LUN == lun && errors.Is(ev.Reason, reason) {
				e.all = e.all[i+1:]
				return true
			}
		}
		return false
	})
}

func (e *eventLog) len() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.all)
}

// senseOf is fixed sense data with the key UNIT ATTENTION.
func senseOf(asc, ascq byte) []byte {
	return []byte{0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, asc, ascq, 0, 0, 0, 0}
}

// TestEvents: what a unit attention, or an asynchronous message, announces is told
// once, after the logical unit was asked for its new state.
func TestEvents(t *testing.T) {
	announce := map[string]func(l *lab, asc, ascq byte){
		"unit attention": func(l *lab, asc, ascq byte) {
			l.lun.QueueUnitAttention(asc, ascq)
			l.read(512, 0)
		},
		"asynchronous message": func(l *lab, asc, ascq byte) {
			l.SendAsync(pdu.AsyncMessage{Event: pdu.AsyncSCSI}, senseOf(asc, ascq))
		},
	}
	for name, c := range map[string]struct {
		asc, ascq byte
		want      EventKind
	}{
		"capacity":     {0x2a, 0x09, CapacityChanged},
		"mode":         {0x2a, 0x01, ModeChanged},
		"inquiry":      {0x3f, 0x03, InquiryChanged},
		"ALUA":         {0x2a, 0x06, AccessStateChanged},
		"reservations": {0x2a, 0x03, ReservationsChanged},
		"LUNs":         {0x3f, 0x0e, LUNsChanged},
	} {
		for by, f := range announce {
			t.Run(name+" by "+by, func(t *testing.T) {
				var events eventLog
				l := newLab(t, func(_ *target.Config, c *Config) { c.OnEvent = events.add })
				before := l.Counters().ByOpcode[target.OpInquiry]
				f(l, c.asc, c.ascq)
				events.await(t, c.want, scsi.LUN{}, nil)
				if l.Counters().ByOpcode[target.OpInquiry] == before {
					t.Error("the LUN was not asked")
				}
				l.read(512, 0)
				if n := events.len(); n != 0 {
					t.Errorf("%d more events", n)
				}
			})
		}
	}
}

// TestEventAfterChange: the disk tells the new state when its user hears of it.
func TestEventAfterChange(t *testing.T) {
	type state struct {
		size int64
		ro   bool
		rev  string
	}
	var l *lab
	told := make(chan state, 10)
	l = newLab(t, func(_ *target.Config, c *Config) {
		c.OnEvent = func(e Event) {
			told <- state{l.disk.Size(), l.disk.ReadOnly(), l.disk.Info().Inquiry.Revision}
		}
	})
	next := func() (s state) {
		select {
		case s = <-told:
		case <-time.After(soon):
			t.Fatal("no event")
		}
		return s
	}
	if err := l.lun.SetSize(16 << 20); err != nil {
		t.Fatal(err)
	}
	l.read(512, 0)
	if s := next(); s.size != 16<<20 {
		t.Errorf("size %d", s.size)
	}
	l.OnSend(target.OfCommand(target.OpModeSense6), target.Edit(func(p *target.PDU) { p.Data[2] |= 0x80 }))
	l.SendAsync(pdu.AsyncMessage{Event: pdu.AsyncSCSI}, senseOf(0x2a, 0x01))
	if s := next(); !s.ro {
		t.Error("not read-only")
	}
	l.OnSend(target.All(target.OfCommand(target.OpInquiry), func(e *target.Event) bool { return e.CDB[1]&1 == 0 && len(e.PDU.Data) > 36 }),
		target.Edit(func(p *target.PDU) { copy(p.Data[32:], "9999") }))
	l.SendAsync(pdu.AsyncMessage{Event: pdu.AsyncSCSI}, senseOf(0x3f, 0x03))
	if s := next(); s.rev != "9999" {
		t.Errorf("revision %q", s.rev)
	}
}

// TestEventsCoalesce: a user that is slow hears of many changes once.
func TestEventsCoalesce(t *testing.T) {
	gate, first := target.NewGate(), make(chan struct{})
	wait := make(chan struct{})
	var events eventLog
	l := newLab(t, func(_ *target.Config, c *Config) {
		c.OnEvent = func(e Event) {
			if events.len() == 0 {
				close(first)
				<-wait
			}
			events.add(e)
		}
	})
	gate.Release()
	l.lun.QueueUnitAttention(0x2a, 0x09)
	l.read(512, 0)
	<-first
	for i := range 20 {
		l.lun.SetSize(int64(9+i) << 20)
		l.read(512, 0)
		await(t, "the new size", func() bool { return l.disk.Size() == int64(9+i)<<20 })
	}
	close(wait)
	events.await(t, CapacityChanged, scsi.LUN{}, nil)
	events.await(t, CapacityChanged, scsi.LUN{}, nil)
	if n := events.len(); n != 0 {
		t.Errorf("%d more events", n)
	}
}

// TestShrink: a LUN that has become smaller is not used, unless the user accepts
// it, when asked or later.
func TestShrink(t *testing.T) {
	for name, in := range map[string]func(l *lab, shrink func()){
		"in a session": func(l *lab, shrink func()) {
			shrink()
			l.disk.ReadAt(timeout(l.t), make([]byte, 512), 0)
		},
		"across logins": func(l *lab, shrink func()) { l.whileDown(shrink) },
	} {
		for _, accept := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				var events eventLog
				asked := make(chan [2]int64, 10)
				l := newLab(t, func(_ *target.Config, c *Config) {
					c.OnEvent = events.add
					c.AcceptShrink = func(lun scsi.LUN, from, to int64) bool {
						asked <- [2]int64{from, to}
						return accept
					}
				})
				in(l, func() { l.lun.SetSize(4 << 20) })
				if got := <-asked; got != [2]int64{8 << 20, 4 << 20} {
					t.Errorf("asked for %v", got)
				}
				if accept {
					events.await(t, CapacityChanged, scsi.LUN{}, nil)
				} else {
					events.await(t, LUNLost, scsi.LUN{}, ErrShrunk)
					_, err := l.disk.ReadAt(timeout(t), make([]byte, 512), 0)
					if !errors.Is(err, ErrShrunk) || AwayTooLong(err) {
						t.Errorf("a read: %v", err)
					}
					if err := l.disk.Refresh(timeout(t)); !errors.Is(err, ErrShrunk) {
						t.Errorf("Refresh: %v", err)
					}
					if err := l.disk.AcceptCapacity(timeout(t)); err != nil {
						t.Fatal(err)
					}
					events.await(t, LUNBack, scsi.LUN{}, nil)
				}
				if l.disk.Size() != 4<<20 {
					t.Errorf("size %d", l.disk.Size())
				}
				l.write(pattern(1, 512), 4<<20-512)
				if _, err := l.disk.WriteAt(timeout(t), make([]byte, 512), 4<<20); !errors.Is(err, ErrOutOfRange) {
					t.Errorf("beyond the end: %v", err)
				}
			})
		}
	}
}

// TestRefreshWhileLost: there is nobody to ask.
func TestRefreshWhileLost(t *testing.T) {
	l := newLab(t)
	l.whileDown(func() {
		if err := l.disk.Refresh(timeout(t)); !errors.Is(err, ErrSessionLost) {
			t.Errorf("Refresh: %v", err)
		}
	})
	l.awaitReconnect(1)
	if err := l.disk.Refresh(timeout(t)); err != nil {
		t.Error(err)
	}
}
