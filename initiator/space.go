package initiator

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// SpaceState is what a target has said of the space that it has for a thinly
// provisioned unit.
type SpaceState uint8

// States of space, from good to bad.
const (
	// SpaceEnough: the target has not complained.
	SpaceEnough SpaceState = iota
	// SpaceLow: a soft threshold was reached (SBC-3, section 4.7.3; 38/07). No
	// target tells when that is over.
	SpaceLow
	// SpaceExhausted: a write was refused (07/27/07), and none has succeeded since
	// where that one would have gone.
	SpaceExhausted
)

var spaceNames = [...]string{SpaceEnough: "", SpaceLow: "soft threshold reached", SpaceExhausted: "exhausted"}

// String returns the state in plain words, "" for enough.
func (s SpaceState) String() string { return spaceNames[s] }

// space is what is known of a unit's space; all its paths share one.
type space struct {
	missing atomic.Pointer[scsi.BlockRange] // of the write that was refused; nil: none is

	mu           sync.Mutex
	low, refused time.Time // when the target said so last
}

func (s *space) state() (SpaceState, time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stateLocked()
}

func (s *space) stateLocked() (SpaceState, time.Time) {
	switch {
	case s.missing.Load() != nil:
		return SpaceExhausted, s.refused
	case !s.low.IsZero():
		return SpaceLow, s.low
	}
	return SpaceEnough, time.Time{}
}

// change tells whether the state is another afterwards.
func (s *space) change(how func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, _ := s.stateLocked()
	how()
	is, _ := s.stateLocked()
	return is != was
}

// spaceLowLocked takes note of a soft threshold. Session.mu is held.
func (d *Disk) spaceLowLocked() {
	if d.space.change(func() { d.space.low = time.Now() }) {
		d.s.tellLocked(Event{Kind: SpaceChanged, LUN: d.lun})
	}
}

// noteSpace takes note of what the end of a command says of space.
func (d *Disk) noteSpace(cdb scsi.CDB, verdict scsi.Disposition) {
	s := d.space
	missing := s.missing.Load()
	if verdict != scsi.SpaceExhausted && (verdict != scsi.Success || missing == nil) {
		return
	}
	r, ok := cdb.Written()
	if !ok || verdict == scsi.Success && !r.Has(missing.LBA) {
		return
	}
	changed := s.change(func() {
		if verdict == scsi.Success {
			s.missing.CompareAndSwap(missing, nil)
			return
		}
		s.missing.Store(&r)
		s.refused = time.Now()
	})
	if changed {
		d.s.mu.Lock()
		defer d.s.mu.Unlock()
		d.s.tellLocked(Event{Kind: SpaceChanged, LUN: d.lun})
	}
}
