package initiator

import (
	"fmt"
	"time"
)

// DiskState is where an open disk stands with its session.
type DiskState uint8

// Each disk stands for itself: one whose logical unit is silent or gone holds up
// no other. Only changeLocked changes the state:
//
//	         connection ended; reset or new identity announced
//	Ready ─────────────────────────────────────► Unproven ◄── new login: from
//	 ▲ │ ▲            the same logical unit         │  │      every state
//	 │ │ └──────────────────────────────────────────┘  │ absent, not ready,
//	 │ │                 removed                       ▼ silent: asked again
//	 │ └────────────────────────────────────────────► Away ──┐ later
//	 │                   the same                      │ ▲   │
//	 ├─────────────────────────────────────────────────┤ └───┘
//	 │                        the replacement timeout  ▼
//	 ├──────────────────────────────────────────────  Lost, asked again as Away is
//	 │   the same                                      ▲
//	 └─── Refused, asked again as Away is ─────────────┘ absent
//	         ▲
//	         └── another logical unit or a smaller one: from every state
//
// In Unproven and Away commands wait in Disk.waiting, in Lost and Refused they
// fail at once. The replacement timeout leads from Unproven to Lost too. Closed is
// terminal, and Close leads there from every state.
const (
	DiskReady DiskState = iota
	DiskUnproven
	DiskAway
	DiskLost
	DiskRefused
	DiskClosed
)

var diskStateNames = [...]string{
	DiskReady: "ready", DiskUnproven: "being verified", DiskAway: "away",
	DiskLost: "lost", DiskRefused: "refused", DiskClosed: "closed",
}

func (s DiskState) String() string {
	if int(s) < len(diskStateNames) {
		return diskStateNames[s]
	}
	return fmt.Sprintf("unknown(%d)", uint8(s))
}

// usable tells whether commands wait, or go, rather than fail.
func (s DiskState) usable() bool { return s <= DiskAway }

// DiskStatus is a snapshot of a disk for people to look at.
type DiskStatus struct {
	State   DiskState
	Since   time.Time // when it was last ready, or is ready
	Reason  error     // why it is not ready; nil if it is
	Waiting int       // commands that wait for it to be ready
	// Removed: the target said that it has no such LUN in the same login in which it was
	// ready, of a unit by every path. So it is no target that is starting up.
	Removed bool
	// Space is what the target has said of the space for a thin unit, and SpaceSince
	// when it did so last.
	Space      SpaceState
	SpaceSince time.Time
	// InFlight counts the commands at the target, of all paths.
	InFlight int
}

// Status tells how the disk does.
func (d *Disk) Status() DiskStatus {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	st := DiskStatus{State: d.state, Since: d.since, Waiting: d.waiting.len, Removed: d.removed.Load(), InFlight: max(len(d.depth)-d.waiting.len, 0)}
	st.Space, st.SpaceSince = d.space.state()
	if d.reason != nil {
		st.Reason = d.reason
	}
	return st
}

// heldLocked tells whether callers' commands have to wait.
func (d *Disk) heldLocked() bool { return d.state != DiskReady || d.resets > 0 }

// changeLocked is the one place that changes the state. reason says why the disk
// is not ready.
func (d *Disk) changeLocked(to DiskState, reason *Error) {
	from := d.state
	if from == DiskClosed {
		return
	}
	if to == DiskAway && d.s.cfg.path != "" {
		// Its commands have other paths to take.
		to, reason = DiskLost, d.errorLocked(reason.Op, fmt.Errorf("%w: %w", ErrLUNLost, reason.Err))
	}
	d.state, d.reason = to, reason
	if to == DiskReady || to == DiskUnproven || to == DiskRefused {
		d.removed.Store(false)
	}
	if from != to {
		d.noteLocked(from)
	}
	switch to {
	case DiskReady:
		d.readyLocked()
	case DiskUnproven, DiskAway:
		d.gone.Store(nil)
		d.holdLocked()
	default:
		d.gone.Store(reason)
		d.expiry.stop()
		for d.waiting.head != nil {
			d.s.endLocked(d.waiting.head, reason)
		}
	}
	if from != to && (from == DiskReady || to == DiskReady) {
		// What was written and not synchronized may be lost.
		d.epoch.Add(1)
	}
	if d.unit != nil {
		d.unit.diskChanged(d)
	}
}

// noteLocked logs a change of the state and tells the user of it.
func (d *Disk) noteLocked(from DiskState) {
	if from == DiskReady || d.state == DiskReady {
		d.since = time.Now()
	}
	if d.state == DiskUnproven || d.state == d.told {
		return
	}
	d.told = d.state
	log := d.s.cfg.Logger.With().Str("target", d.s.cfg.TargetName).Stringer("lun", d.lun).Logger()
	switch d.state {
	case DiskReady:
		log.Info().Msg("the LUN is back")
		d.s.tellLocked(Event{Kind: LUNBack, LUN: d.lun})
	case DiskAway:
		log.Warn().Err(d.reason).Msg("the LUN is away: its commands wait")
		d.s.tellLocked(Event{LUNLost, d.lun, d.reason})
	case DiskLost:
		log.Error().Err(d.reason).Msg("the LUN did not come back in time: its commands fail until it does")
		d.s.tellLocked(Event{LUNLost, d.lun, d.reason})
	case DiskRefused:
		log.Error().Err(d.reason).Msg("the LUN is not used until it is the same again")
		d.s.tellLocked(Event{LUNLost, d.lun, d.reason})
	}
}

// readyLocked lets the commands go on, in their order.
func (d *Disk) readyLocked() {
	d.gone.Store(nil)
	d.tries = 0
	d.expiry.stop()
	d.releaseLocked()
}

// holdLocked makes commands wait that were not sent yet.
func (d *Disk) holdLocked() {
	s := d.s
	for t := s.pending.head; t != nil; {
		next := t.next
		if t.disk == d {
			t.remove()
			d.waiting.pushBack(t)
		}
		t = next
	}
}

// releaseLocked sends what waited, unless there is another reason to wait.
func (d *Disk) releaseLocked() {
	if d.heldLocked() {
		return
	}
	for t := d.waiting.head; t != nil; t = d.waiting.head {
		t.remove()
		d.s.pending.pushBack(t)
	}
	if c := d.s.conn; c != nil {
		c.wake()
	}
}

// timer runs a function once, later, unless it is stopped. Guarded by the mutex of
// the disk's session, or of the unit.
type timer struct{ *time.Timer }

func (t *timer) start(after time.Duration, f func()) {
	t.stop()
	t.Timer = time.AfterFunc(after, f)
}

func (t *timer) stop() {
	if t.Timer != nil {
		t.Timer.Stop()
		t.Timer = nil
	}
}

// proofTime is how long commands wait in any case for a disk to be proven.
const proofTime = 5 * time.Second

// waitLocked bounds how long commands wait for the disk: by the replacement
// timeout, from when it was last ready on, and not below a least time from now on.
// That is granted once beyond the timeout: a session that is lost again before the
// disk is proven, and again, must not make commands wait for ever.
func (d *Disk) waitLocked(least time.Duration) {
	limit := d.s.live().ReplacementTimeout
	if !d.state.usable() || limit < 0 || d.s.cfg.path != "" {
		return
	}
	left := time.Until(d.since.Add(limit))
	if left < least && d.expiry.Timer != nil && d.granted {
		return
	}
	d.granted = left < least
	d.expiry.start(max(left, least), d.expire)
}

// expire gives the disk up until it comes back.
func (d *Disk) expire() {
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.state != DiskUnproven && d.state != DiskAway || s.isClosed() {
		return
	}
	why := fmt.Errorf("%w: it does not say what it is", ErrLUNLost)
	switch {
	case s.conn == nil && s.reason != nil:
		why = fmt.Errorf("%w: %w", ErrSessionLost, s.reason)
	case d.reason != nil:
		why = fmt.Errorf("%w: %w", ErrLUNLost, d.reason.Err)
	}
	d.changeLocked(DiskLost, d.errorLocked("verify", why))
}

// errorLocked words an error of this disk.
func (d *Disk) errorLocked(op string, cause error) *Error {
	e := d.s.errorLocked(op, cause)
	e.LUN = d.lun.String()
	return e
}

// removedLocked takes note that the target has no such LUN any more.
func (d *Disk) removedLocked(reason *Error) {
	if d.state != DiskReady {
		return
	}
	d.removed.Store(true)
	d.changeLocked(DiskAway, reason)
	d.waitLocked(0)
	d.tendLocked()
}

// Close forgets the disk: what waits fails with ErrClosed, and what is under way
// too, when it has been aborted at the target. Afterwards the LUN may be opened
// again.
func (d *Disk) Close() error {
	s := d.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if d.state == DiskClosed {
		return nil
	}
	closed := d.errorLocked("disk", ErrClosed)
	d.changeLocked(DiskClosed, closed)
	d.retry.stop()
	if s.disks[d.lun] == d {
		delete(s.disks, d.lun)
	}
	for t := s.pending.head; t != nil; {
		next := t.next
		if t.disk == d {
			s.endLocked(t, closed)
		}
		t = next
	}
	s.slots.all(func(t *task) {
		if t.disk == d {
			s.giveUpLocked(t, closed)
		}
	})
	return nil
}
