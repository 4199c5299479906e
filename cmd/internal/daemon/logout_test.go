package daemon

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/holders"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

func logoutOf(t *testing.T, d *Daemon, o LogoutOptions) {
	t.Helper()
	if err := d.Logout(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

func loginTo(t *testing.T, d *Daemon, iqn string) {
	t.Helper()
	if err := d.Login(t.Context(), LoginOptions{IQN: iqn}); err != nil {
		t.Fatal(err)
	}
}

func stateOf(d *Daemon, iqn string) targetState { return d.targetNamed(iqn).now() }

// What is logged out is flushed and away, and comes back with a login.
func TestLogout(t *testing.T) {
	a, b := newFakeSession(iqnA, 1, 2), newFakeSession(iqnB, 7)
	d := served(t, newSite(a, b))
	write(t, d)
	syncs := a.disk(1).synced()
	logoutOf(t, d, LogoutOptions{IQN: strings.ToUpper(iqnA)})
	if a.disk(1).synced() == syncs || a.loggedOut() != 1 || b.loggedOut() != 0 || stateOf(d, iqnA) != out {
		t.Errorf("synchronized %d times more, %d and %d logouts, %s", a.disk(1).synced()-syncs, a.loggedOut(), b.loggedOut(), stateOf(d, iqnA))
	}
	wantPaths(t, d, "dir1/lun7")
	if r := d.Report(t.Context()).Targets[0]; r.State != "logged out" || !strings.Contains(r.Reason, "iscsifs login") || len(r.LUNs) != 0 || r.Portals[0].State != "logged out" {
		t.Errorf("report: %+v", r)
	}
	logoutOf(t, d, LogoutOptions{IQN: iqnA}) // again: nothing is left to do
	loginTo(t, d, iqnA)
	wantPaths(t, d, "dir1/lun7", "lun1", "lun2")
	loginTo(t, d, "all")
	if s := stateOf(d, iqnA); s != up {
		t.Errorf("state %s", s)
	}
	logoutOf(t, d, LogoutOptions{IQN: "all"})
	wantPaths(t, d)
}

func TestLogoutNamesWhatThereIs(t *testing.T) {
	d := served(t, newSite(newFakeSession(iqnA, 1)))
	for _, c := range []struct{ iqn, portal, words string }{
		{iqnB, "", "no target of this name"},
		{iqnA, "192.0.2.9", "no portal 192.0.2.9:3260; there are 192.0.2.1:3260"},
		{iqnA, "::1", "in brackets"},
	} {
		err := d.Logout(t.Context(), LogoutOptions{IQN: c.iqn, Portal: c.portal})
		if exitcode.Of(err) != int(exitcode.Usage) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s %s: code %d: %v", c.iqn, c.portal, exitcode.Of(err), err)
		}
	}
}

// Who uses a file keeps its target, and no other.
func TestLogoutInUse(t *testing.T) {
	a, b := newFakeSession(iqnA, 1), newFakeSession(iqnB, 7)
	s := newSite(a, b)
	d := served(t, s)
	held := shell
	held.LUNPath = d.opts.Mountpoint + "/lun1"
	s.mount.hold(held)
	err := d.Logout(t.Context(), LogoutOptions{IQN: "all"})
	if exitcode.Of(err) != int(exitcode.InUse) || !strings.Contains(err.Error(), "logout "+iqnA) || !strings.Contains(err.Error(), "kill 4711") {
		t.Errorf("code %d: %v", exitcode.Of(err), err)
	}
	wantPaths(t, d, "lun1")
	if stateOf(d, iqnA) != up || a.loggedOut() != 0 || b.loggedOut() != 1 {
		t.Errorf("%s, %d and %d logouts", stateOf(d, iqnA), a.loggedOut(), b.loggedOut())
	}
	logoutOf(t, d, LogoutOptions{IQN: iqnA, Force: true})
	wantPaths(t, d)
}

func (m *fakeMount) hold(h ...holders.Holder) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = h
}

// Data that cannot be written keeps the target, its files and the data.
func TestLogoutDirty(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	d := served(t, newSite(a))
	write(t, d)
	a.disk(1).fail(errors.New("medium error"))
	err := d.Logout(t.Context(), LogoutOptions{IQN: iqnA})
	if exitcode.Of(err) != int(exitcode.Dirty) || !strings.Contains(err.Error(), "4.0 KiB of LUN 1") || !strings.Contains(err.Error(), "--discard-dirty") {
		t.Errorf("code %d: %v", exitcode.Of(err), err)
	}
	wantPaths(t, d, "lun1")
	if stateOf(d, iqnA) != up || a.loggedOut() != 0 {
		t.Errorf("%s, %d logouts", stateOf(d, iqnA), a.loggedOut())
	}
	logoutOf(t, d, LogoutOptions{IQN: iqnA, Discard: true})
	wantPaths(t, d)
	if d.Dirty() != 0 || stateOf(d, iqnA) != out {
		t.Errorf("%d bytes dirty, %s", d.Dirty(), stateOf(d, iqnA))
	}
}

// fill is what the tests of kept data write.
var fill = bytes.Repeat([]byte{0xa5}, 4096)

// forcedOut is a mount whose only target was logged out by force with dirty data, as it
// could not synchronize.
func forcedOut(t *testing.T, late config.LateWrites) (*site, *fakeSession, *Daemon) {
	t.Helper()
	return forcedOutAs(t, func(c *config.Target) { c.Cache.LateWrites = late })
}

func forcedOutAs(t *testing.T, change func(*config.Target)) (*site, *fakeSession, *Daemon) {
	t.Helper()
	a := newFakeSession(iqnA, 1)
	s := newSite(a)
	change(&s.cfg.Targets[0])
	d := served(t, s)
	if _, err := d.attached()[0].volume.WriteAt(t.Context(), fill, 4096); err != nil {
		t.Fatal(err)
	}
	a.disk(1).refuseWrites(errors.New("medium error"))
	logoutOf(t, d, LogoutOptions{IQN: iqnA, Force: true})
	a.disk(1).refuseWrites(nil)
	return s, a, d
}

// A forced logout keeps what could not be written, and says so.
func TestForcedLogoutKeeps(t *testing.T) {
	_, a, d := forcedOut(t, config.Hold)
	wantPaths(t, d)
	if d.Dirty() != 4096 || a.loggedOut() != 1 {
		t.Errorf("%d bytes are kept, %d logouts", d.Dirty(), a.loggedOut())
	}
	r := d.Report(t.Context()).Targets[0]
	if len(r.LUNs) != 1 || r.LUNs[0].DirtyBytes != 4096 || !strings.Contains(strings.Join(r.LUNs[0].Warnings, "\n"), "iscsifs login") {
		t.Errorf("status: %+v", r.LUNs)
	}
	err := d.Unmount(t.Context(), UnmountOptions{})
	if exitcode.Of(err) != int(exitcode.Dirty) || !strings.Contains(err.Error(), "logged out by hand") {
		t.Errorf("code %d: %v", exitcode.Of(err), err)
	}
	if err := d.sync(t.Context(), iqnA); exitcode.Of(err) != int(exitcode.Dirty) {
		t.Errorf("sync: %v", err)
	}
}

// What was kept is held back, or written, as late_writes says, when the same unit is
// there again.
func TestLoginResumes(t *testing.T) {
	for _, late := range []config.LateWrites{config.Hold, config.Write} {
		t.Run(string(late), func(t *testing.T) {
			_, a, d := forcedOut(t, late)
			resets := a.disk(1).counted(&a.disk(1).resets)
			loginTo(t, d, iqnA)
			wantPaths(t, d, "lun1")
			if got := a.disk(1).counted(&a.disk(1).resets); got == resets {
				t.Error("what the old session left under way may still come")
			}
			v := d.attached()[0].volume
			if held := v.Late(); held != (late == config.Hold) {
				t.Errorf("held back: %v", held)
			}
			if late == config.Hold && !bytes.Equal(a.disk(1).medium(4096), make([]byte, 4096)) {
				t.Error("written though another host may own the LUN")
			}
			if err := d.sync(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(a.disk(1).medium(4096), fill) || d.Dirty() != 0 {
				t.Error("what was kept is not on the disk")
			}
		})
	}
}

// "written at once in any case where our persistent reservation is proven unbroken": it is
// when the key holds it still as the LUN is back, and held it when that was logged out. What
// an attempt to log in has found free is not unbroken because the next one finds it held.
func TestKeptUnderReservation(t *testing.T) {
	for name, c := range map[string]struct{ lost, found, attempt, held bool }{
		"unbroken":                     {found: true},
		"gone":                         {held: true},
		"lost before the logout":       {lost: true, found: true, held: true},
		"taken anew by a login before": {attempt: true, found: true, held: true},
	} {
		t.Run(name, func(t *testing.T) {
			_, a, d := forcedOutAs(t, func(c *config.Target) { c.Cache.LateWrites, c.Exclusive = config.Hold, true })
			one := a.disk(1)
			if c.lost {
				one.change(func() { one.found = true })
				loginTo(t, d, iqnA)
				if err := d.sync(t.Context(), ""); err != nil {
					t.Fatal(err)
				}
				one.refuseWrites(errors.New("medium error"))
				if _, err := d.attached()[0].volume.WriteAt(t.Context(), fill, 4096); err != nil {
					t.Fatal(err)
				}
				one.loseReservation()
				logoutOf(t, d, LogoutOptions{IQN: iqnA, Force: true})
				one.refuseWrites(nil)
			}
			if c.attempt {
				two := a.add(2)
				two.change(func() { two.resetErr = initiator.ErrTimeout })
				if err := d.Login(t.Context(), LoginOptions{IQN: iqnA}); err == nil {
					t.Fatal("it can be logged in to")
				}
				two.change(func() { two.resetErr = nil })
			}
			one.change(func() { one.found = c.found })
			loginTo(t, d, iqnA)
			if held := d.attached()[0].volume.Late(); held != c.held {
				t.Errorf("held back: %v", held)
			}
			if err := d.sync(t.Context(), ""); err != nil || !bytes.Equal(one.medium(4096), fill) {
				t.Errorf("what was kept is lost: %v", err)
			}
		})
	}
}

// Another unit in the place of the LUN gets nothing of what was kept.
func TestKeptIsForTheSameUnit(t *testing.T) {
	s, a, d := forcedOut(t, config.Write)
	old := a.disk(1)
	a.drop(1, initiator.DiskLost)
	other := a.add(1)
	loginTo(t, d, iqnA)
	wantPaths(t, d, "lun1")
	if err := d.Flush(t.Context(), ""); exitcode.Of(err) != int(exitcode.Dirty) || d.Dirty() != 4096 {
		t.Errorf("%v; %d bytes kept", err, d.Dirty())
	}
	if !bytes.Equal(other.medium(4096), make([]byte, 4096)) {
		t.Error("written to another unit")
	}
	logoutOf(t, d, LogoutOptions{IQN: iqnA})
	a.mu.Lock()
	a.disks[old.info.LUN] = old
	a.mu.Unlock()
	_ = s
	loginTo(t, d, iqnA)
	if err := d.Flush(t.Context(), ""); err != nil || !bytes.Equal(old.medium(4096), fill) {
		t.Errorf("the right unit: %v", err)
	}
}

// The same name with another block size is no place for the data either.
func TestKeptIsForTheSameBlocks(t *testing.T) {
	_, a, d := forcedOut(t, config.Write)
	one := a.disk(1)
	one.change(func() { one.info.Capacity.BlockSize = 4096 })
	err := d.Login(t.Context(), LoginOptions{IQN: iqnA})
	if err == nil || !strings.Contains(err.Error(), "4096 bytes, not 512") || stateOf(d, iqnA) != out || d.Dirty() != 4096 {
		t.Errorf("%s, %d bytes kept: %v", stateOf(d, iqnA), d.Dirty(), err)
	}
	logoutOf(t, d, LogoutOptions{IQN: iqnA, Discard: true})
	if d.Dirty() != 0 {
		t.Error("--discard-dirty keeps it")
	}
	loginTo(t, d, iqnA)
}

// A login that fails half-way loses nothing of what is kept.
func TestLoginFailsAfterResuming(t *testing.T) {
	_, a, d := forcedOut(t, config.Hold)
	two := a.add(2)
	two.change(func() { two.resetErr = initiator.ErrTimeout })
	if err := d.Login(t.Context(), LoginOptions{IQN: iqnA}); err == nil {
		t.Fatal("it can be logged in to")
	}
	wantPaths(t, d)
	if stateOf(d, iqnA) != out {
		t.Errorf("state %s", stateOf(d, iqnA))
	}
	two.change(func() { two.resetErr = nil })
	loginTo(t, d, iqnA)
	if err := d.sync(t.Context(), ""); err != nil || !bytes.Equal(a.disk(1).medium(4096), fill) {
		t.Errorf("what was kept is lost: %v", err)
	}
}

// What a login cannot ready stays kept, and nothing is written to it.
func TestKeptIsReadiedFirst(t *testing.T) {
	_, a, d := forcedOut(t, config.Write)
	one := a.disk(1)
	one.change(func() {
		one.resetErr = initiator.ErrTimeout
		one.onReset = func() {
			if err := d.sync(t.Context(), ""); exitcode.Of(err) != int(exitcode.Dirty) || !bytes.Equal(one.medium(4096), make([]byte, 4096)) {
				t.Errorf("written before it is readied: %v", err)
			}
		}
	})
	if err := d.Login(t.Context(), LoginOptions{IQN: iqnA}); err == nil {
		t.Fatal("it can be logged in to")
	}
	if err := d.sync(t.Context(), ""); exitcode.Of(err) != int(exitcode.Dirty) || !bytes.Equal(a.disk(1).medium(4096), make([]byte, 4096)) {
		t.Errorf("written by a session that is closed: %v", err)
	}
	one.change(func() { one.resetErr = nil })
	loginTo(t, d, iqnA)
	if err := d.sync(t.Context(), ""); err != nil || !bytes.Equal(a.disk(1).medium(4096), fill) {
		t.Errorf("what was kept is lost: %v", err)
	}
}

// What another target's LUN is about to resume is not given up under its hands.
func TestDiscardWhileResumed(t *testing.T) {
	a, b := newFakeSession(iqnA, 1), newFakeSession(iqnB, 7)
	same := newFakeDisk(scsi.PeripheralLUN(1), "same")
	twins(a.disk(1), same)
	d := served(t, newSite(a, b))
	write(t, d)
	a.disk(1).refuseWrites(errors.New("medium error"))
	logoutOf(t, d, LogoutOptions{IQN: iqnA, Force: true})
	b.mu.Lock()
	b.reports, b.disks[same.info.LUN] = append(b.reports, same.info.LUN), same
	b.mu.Unlock()
	resetting, goOn := make(chan struct{}), make(chan struct{})
	same.change(func() { same.onReset = func() { close(resetting); <-goOn } })
	scanned, discarded := make(chan struct{}), make(chan struct{})
	go func() { defer close(scanned); rescan(t, d) }()
	<-resetting
	go func() { defer close(discarded); d.discardKept(d.targets[0]) }()
	select {
	case <-discarded:
	case <-time.After(50 * time.Millisecond): // it waits
	}
	close(goOn)
	<-scanned
	<-discarded
	wantPaths(t, d, "dir1/lun7", "dir1/lun1")
	for _, l := range d.attached() {
		if _, err := l.volume.ReadAt(t.Context(), make([]byte, 512), 0); err != nil {
			t.Errorf("%s: %v", l.path(), err)
		}
	}
	if d.Dirty() != 4096 {
		t.Errorf("%d bytes are dirty", d.Dirty())
	}
}

// A logout does not wait for an attempt of the background.
func TestLogoutDuringAttempt(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 1))
	s.cfg.Targets[0].Required = false
	s.refuse(iqnA, initiator.ErrTimeout)
	d := served(t, s)
	s.hang(iqnA)
	for s.tried(iqnA) < 2 {
		time.Sleep(time.Millisecond)
	}
	logoutOf(t, d, LogoutOptions{IQN: iqnA})
	if stateOf(d, iqnA) != out {
		t.Errorf("state %s", stateOf(d, iqnA))
	}
}

// Nobody tries a target that is out.
func TestOutStaysOut(t *testing.T) {
	a, b := newFakeSession(iqnA, 1), newFakeSession(iqnB, 7)
	s := newSite(a, b)
	s.cfg.Targets[1].Required = false
	s.refuse(iqnB, initiator.ErrTimeout)
	d := served(t, s)
	for _, iqn := range []string{iqnA, iqnB} {
		logoutOf(t, d, LogoutOptions{IQN: iqn})
	}
	s.refuse(iqnB, nil)
	before := s.tried(iqnA) + s.tried(iqnB)
	wantChanges(t, rescan(t, d), 0, "")
	a.tell(initiator.Event{Kind: initiator.LUNsChanged})
	time.Sleep(2 * firstPause) // the background would have tried by then
	if n := s.tried(iqnA) + s.tried(iqnB) - before; n != 0 {
		t.Errorf("%d attempts to log in", n)
	}
	wantPaths(t, d)
	loginTo(t, d, iqnB)
	wantPaths(t, d, "dir1/lun7")
}

// login = "manual" waits for the command, and a mount of nothing else is a mount.
func TestManualLogin(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	s := newSite(a)
	s.cfg.Targets[0].Login = config.LoginManual
	d := served(t, s)
	if r := d.Report(t.Context()).Targets[0]; s.tried(iqnA) != 0 || r.State != "logged out" || !strings.Contains(r.Reason, "manual") {
		t.Errorf("%d attempts, %+v", s.tried(iqnA), r)
	}
	loginTo(t, d, iqnA)
	wantPaths(t, d, "lun1")
}

// A login that fails changes nothing: what was out stays out.
func TestFailedLogin(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 1))
	d := served(t, s)
	logoutOf(t, d, LogoutOptions{IQN: iqnA})
	s.refuse(iqnA, initiator.LoginAuthenticationFailure)
	err := d.Login(t.Context(), LoginOptions{IQN: iqnA})
	if exitcode.Of(err) != int(exitcode.Refused) || stateOf(d, iqnA) != out {
		t.Errorf("%s, code %d: %v", stateOf(d, iqnA), exitcode.Of(err), err)
	}
}

// The second name of a unit becomes its file when the first one's target is logged out.
func TestLogoutOfTheFirstPath(t *testing.T) {
	a, b := newFakeSession(iqnA, 1), newFakeSession(iqnB, 1)
	a.disk(1).info.Designators = slices.Clone(a.disk(1).info.Designators)
	a.disk(1).info.Designators[0] = worldWide
	b.disk(1).info = a.disk(1).info
	d := served(t, newSite(a, b))
	logoutOf(t, d, LogoutOptions{IQN: iqnA})
	if luns := d.attached(); len(luns) != 1 || luns[0].first != nil || luns[0].volume == nil || luns[0].target.cfg().IQN != iqnB {
		t.Errorf("LUNs: %+v", luns)
	}
}

// The end of the mount does not wait for a login that hangs.
func TestUnmountDuringLogin(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 1))
	d := served(t, s)
	logoutOf(t, d, LogoutOptions{IQN: iqnA})
	s.hang(iqnA)
	answer := make(chan error, 1)
	go func() { answer <- d.Login(t.Context(), LoginOptions{IQN: iqnA}) }()
	for s.tried(iqnA) < 2 {
		time.Sleep(time.Millisecond)
	}
	if err := d.Unmount(t.Context(), UnmountOptions{}); err != nil {
		t.Error(err)
	}
	if err := <-answer; !errors.Is(err, errEnds) {
		t.Error(err)
	}
}
