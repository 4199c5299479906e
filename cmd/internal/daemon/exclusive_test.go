package daemon

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// exclusiveSite has LUN 1 of one target, which is to be this host's alone.
func exclusiveSite() (*site, *fakeSession, *fakeDisk) {
	session := newFakeSession(iqnA, 1)
	s := newSite(session)
	s.cfg.Targets[0].Exclusive = true
	return s, session, session.disk(1)
}

// The reservation is given up after the flush and before the logout.
func TestReservationEndsBetweenFlushAndLogout(t *testing.T) {
	s, session, disk := exclusiveSite()
	d := served(t, s)
	l := d.attached()[0]
	if _, err := l.volume.WriteAt(t.Context(), []byte("data"), 0); err != nil {
		t.Fatal(err)
	}
	released := 0
	disk.onRelease = func() {
		released++
		if disk.synced() == 0 || session.loggedOut() != 0 {
			t.Errorf("released after %d flushes and %d logouts", disk.synced(), session.loggedOut())
		}
	}
	s.mount.release()
	if err := d.Unmount(t.Context(), UnmountOptions{}); err != nil {
		t.Fatal(err)
	}
	if released != 1 || session.loggedOut() != 1 {
		t.Errorf("%d releases, %d logouts", released, session.loggedOut())
	}
}

// What cannot be reserved is not mounted, and the exit code and the sentence say
// why.
func TestNotReserved(t *testing.T) {
	held := scsi.Reservation{Type: scsi.WriteExclusiveRegistrantsOnly, Key: 0xb0b}
	all := scsi.Reservation{Type: scsi.WriteExclusiveAllRegistrants}
	for words, c := range map[string]struct {
		err  error
		code exitcode.Code
	}{
		"key 0x0000000000000b0b, type Write Exclusive – Registrants Only (5h); if that host does not use it any more, `--preempt 0x0000000000000b0b`": {&initiator.ReservedError{By: held}, exitcode.Failed},
		"it has no single key to preempt":              {&initiator.ReservedError{By: all}, exitcode.Failed},
		"nothing can keep other hosts from writing":    {initiator.ErrNoReservations, exitcode.Failed},
		"but this failed: reserve LUN 1: session lost": {initiator.ErrSessionLost, exitcode.Unreachable},
	} {
		s, session, disk := exclusiveSite()
		disk.reserveErr = &initiator.Error{Op: "reserve", LUN: "1", Err: c.err}
		_, err := s.start(t)
		if exitcode.Of(err) != int(c.code) || !strings.Contains(fmt.Sprint(err), words) || !strings.Contains(fmt.Sprint(err), "exclusive = true, but") {
			t.Errorf("code %d, want %d: %v", exitcode.Of(err), c.code, err)
		}
		if session.loggedOut() != 1 {
			t.Errorf("%d logouts", session.loggedOut())
		}
	}
}

// A reservation that was lost keeps new writes out until login.
func TestLostReservation(t *testing.T) {
	s, _, disk := exclusiveSite()
	d := served(t, s)
	l := d.attached()[0]
	disk.loseReservation()
	write := func() error { _, err := l.volume.WriteAt(t.Context(), []byte("data"), 0); return err }
	if err := write(); !errors.Is(err, initiator.ErrReservationLost) {
		t.Errorf("write: %v", err)
	}
	r := d.Report(t.Context()).Targets[0].LUNs[0]
	if want := fmt.Sprintf("0x%016x", initiator.ReservationKey("iqn.2026-11.org.example:host")); r.Reservation != "lost" || r.ReservationKey != want {
		t.Errorf("status: %s, key %s, want %s", r.Reservation, r.ReservationKey, want)
	}
	if err := d.Login(t.Context(), LoginOptions{IQN: "iqn.2026-11.org.example:nobody"}); exitcode.Of(err) != int(exitcode.Usage) {
		t.Errorf("login of what is not there: %v", err)
	}
	if err := d.Login(t.Context(), LoginOptions{IQN: strings.ToUpper(iqnA), Preempt: 7}); err != nil || disk.preempted != 7 {
		t.Errorf("login: %v, preempted %d", err, disk.preempted)
	}
	if err := write(); err != nil {
		t.Error(err)
	}
	if r := d.Report(t.Context()).Targets[0].LUNs[0]; r.Reservation != "held" {
		t.Errorf("status: %s", r.Reservation)
	}
}

// Who asks to take a reservation where none is to be taken is told so.
func TestPreemptOfNone(t *testing.T) {
	s, _, disk := exclusiveSite()
	s.cfg.Targets[0].Exclusive = false
	d := served(t, s)
	for _, iqn := range []string{"all", iqnA} {
		err := d.Login(t.Context(), LoginOptions{IQN: iqn, Preempt: 7})
		if exitcode.Of(err) != int(exitcode.Usage) || disk.preempted != 0 {
			t.Errorf("login %s: %v, preempted %d", iqn, err, disk.preempted)
		}
	}
}

// What is only read is not reserved.
func TestReadOnlyIsNotReserved(t *testing.T) {
	s, _, disk := exclusiveSite()
	s.cfg.Targets[0].ReadOnly = true
	served(t, s)
	if r := disk.Reservation(); r.Key != 0 {
		t.Errorf("%+v", r)
	}
}

// Who is not logged in cannot take anything again.
func TestLoginOfAbsentTarget(t *testing.T) {
	a, b := newFakeSession(iqnA, 1), newFakeSession(iqnB, 1)
	s := newSite(a, b)
	s.cfg.Targets[1].Required = false
	s.refuse(iqnB, initiator.LoginServiceUnavailable)
	d := served(t, s)
	if err := d.Login(t.Context(), LoginOptions{IQN: "all"}); exitcode.Of(err) != int(exitcode.Unreachable) || !strings.Contains(err.Error(), iqnB) {
		t.Errorf("%v", err)
	}
}

// A LUN that the target protects no longer is reserved before it is written.
func TestUnprotectedIsReserved(t *testing.T) {
	s, _, disk := exclusiveSite()
	disk.info.Mode.WriteProtect = true
	d := served(t, s)
	l := d.attached()[0]
	if r := disk.Reservation(); r.Key != 0 {
		t.Errorf("write-protected, and reserved: %+v", r)
	}
	disk.mu.Lock()
	disk.info.Mode.WriteProtect = false
	disk.reserveErr = initiator.ErrNoReservations
	disk.mu.Unlock()
	if err := d.follow(t.Context(), l); err == nil || !l.disk.ReadOnly() {
		t.Errorf("not reserved, but to be written: %v", err)
	}
	disk.mu.Lock()
	disk.reserveErr = nil
	disk.mu.Unlock()
	if err := d.follow(t.Context(), l); err != nil || l.disk.ReadOnly() || disk.Reservation().Key == 0 {
		t.Errorf("%v, read-only %v, %+v", err, l.disk.ReadOnly(), disk.Reservation())
	}
}
