package daemon

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/holders"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
)

func TestUnmount(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	s := newSite(a)
	d := served(t, s)
	write(t, d)
	if err := d.Unmount(t.Context(), UnmountOptions{}); err != nil {
		t.Fatal(err)
	}
	if d.State() != Stopped || a.loggedOut() != 1 || a.disk(1).syncs == 0 {
		t.Errorf("%s, logged out %d times, synchronized %d times", d.State(), a.loggedOut(), a.disk(1).syncs)
	}
}

// write leaves something to synchronize on the first LUN.
func write(t *testing.T, d *Daemon) {
	t.Helper()
	if _, err := d.attached()[0].volume.WriteAt(t.Context(), make([]byte, 4096), 0); err != nil {
		t.Fatal(err)
	}
}

// Who syncs what is held back while the target is away is not told to sync.
func TestSyncOfHeldWhileAway(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	d := served(t, newSite(a))
	write(t, d)
	d.attached()[0].volume.HoldLate()
	unit := a.disk(1)
	unit.change(func() { unit.status.State = initiator.DiskUnproven })
	if err := d.Flush(t.Context(), ""); exitcode.Of(err) != int(exitcode.Dirty) || !strings.Contains(err.Error(), "still away (the LUN is being verified)") {
		t.Errorf("away: %v", err)
	}
	unit.change(func() { unit.status.State = initiator.DiskReady })
	if err := d.Flush(t.Context(), ""); !strings.Contains(err.Error(), "another host may own it") {
		t.Errorf("back: %v", err)
	}
}

func TestUnmountInUse(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 1))
	s.mount = newFakeMount(shell)
	d := served(t, s)
	err := d.Unmount(t.Context(), UnmountOptions{})
	if exitcode.Of(err) != int(exitcode.InUse) || !strings.Contains(err.Error(), "process 4711 (bash, user alice): kill 4711") {
		t.Errorf("code %d: %v", exitcode.Of(err), err)
	}
	if d.State() != Serving {
		t.Errorf("state %s", d.State())
	}
}

// TestFlushTime: a flush may take as long as the longest replacement_timeout, but not
// more than ten minutes.
func TestFlushTime(t *testing.T) {
	for _, c := range []struct {
		of   []config.Timeout
		want time.Duration
	}{
		{[]config.Timeout{config.Timeout(120 * time.Second)}, 2 * time.Minute},
		{[]config.Timeout{config.Timeout(time.Minute), config.Timeout(3 * time.Minute)}, 3 * time.Minute},
		{[]config.Timeout{config.Timeout(time.Hour), config.Timeout(time.Minute)}, 10 * time.Minute},
		{[]config.Timeout{config.Never}, 10 * time.Minute},
	} {
		d := &Daemon{}
		for _, timeout := range c.of {
			t := &target{}
			t.current.Store(&config.Target{Session: config.Session{ReplacementTimeout: timeout}})
			d.targets = append(d.targets, t)
		}
		if got := d.flushTime(); got != c.want {
			t.Errorf("of %v: %v, want %v", c.of, got, c.want)
		}
	}
}

// The command that asks is no holder, unless it is the only one.
func TestUnmountAsker(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 1))
	other := holders.Holder{LUNPath: shell.LUNPath, Kind: holders.Loop, Name: "/dev/loop3"}
	s.mount = newFakeMount(shell, other)
	d := served(t, s)
	err := d.Unmount(t.Context(), UnmountOptions{Asker: shell.PID})
	if err == nil || strings.Contains(err.Error(), "4711") || !strings.Contains(err.Error(), "/dev/loop3") {
		t.Error(err)
	}
	s.mount.held = []holders.Holder{shell}
	if err := d.Unmount(t.Context(), UnmountOptions{Asker: shell.PID}); err == nil || !strings.Contains(err.Error(), "4711") {
		t.Error(err)
	}
}

// Data that cannot be written keeps the mount, and is there for another try.
func TestUnmountDirty(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	d := served(t, newSite(a))
	write(t, d)
	a.disk(1).fail(errors.New("medium error"))
	err := d.Unmount(t.Context(), UnmountOptions{})
	if exitcode.Of(err) != int(exitcode.Dirty) || !strings.Contains(err.Error(), "4.0 KiB of LUN 1 of "+iqnA) || d.State() != Serving {
		t.Errorf("code %d, %s: %v", exitcode.Of(err), d.State(), err)
	}
	a.disk(1).fail(nil)
	if err := d.Unmount(t.Context(), UnmountOptions{}); err != nil {
		t.Error(err)
	}
}

// One sentence names the LUN once, and says what the user can do.
func TestUnmountDirtySentence(t *testing.T) {
	a, b := newFakeSession(iqnA, 1), newFakeSession(iqnB, 1)
	d := served(t, newSite(a, b))
	write(t, d)
	place := initiator.Error{Op: "SYNCHRONIZE CACHE(10)", Target: iqnA, Portal: "192.0.2.1:3260", LUN: "1"}
	login := place
	login.Op, login.LUN, login.Err = "login", "", initiator.ErrTimeout
	place.Err = fmt.Errorf("%w: %w", initiator.ErrSessionLost, &login)
	a.disk(1).fail(&place)
	err := d.Unmount(t.Context(), UnmountOptions{})
	want := "unmount " + d.opts.Mountpoint + ": it stays mounted and usable, and `iscsifs umount --discard-dirty " +
		d.opts.Mountpoint + "` would give the data up: 4.0 KiB of LUN 1 of " + iqnA + " could not be written: " +
		"SYNCHRONIZE CACHE(10): session lost: login: no answer in time"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestUnmountDiscard(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	d := served(t, newSite(a))
	write(t, d)
	a.disk(1).fail(errors.New("medium error"))
	if err := d.Unmount(t.Context(), UnmountOptions{Discard: true}); err != nil || d.State() != Stopped {
		t.Errorf("%s: %v", d.State(), err)
	}
}

// --lazy takes the name; the daemon ends with the last holder, flushed.
func TestUnmountLazy(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	s := newSite(a)
	s.mount = newFakeMount(shell)
	d := served(t, s)
	write(t, d)
	if err := d.Unmount(t.Context(), UnmountOptions{Lazy: true}); err != nil || d.State() != Leaving {
		t.Fatalf("%s: %v", d.State(), err)
	}
	if err := d.Unmount(t.Context(), UnmountOptions{}); exitcode.Of(err) != int(exitcode.InUse) {
		t.Errorf("a second one: %v", err)
	}
	s.mount.release()
	<-d.finished
	if d.State() != Stopped || a.disk(1).syncs == 0 {
		t.Errorf("%s, synchronized %d times", d.State(), a.disk(1).syncs)
	}
}

func TestUnmountForce(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 1))
	s.mount = newFakeMount(shell)
	d := served(t, s)
	if err := d.Unmount(t.Context(), UnmountOptions{Force: true}); err != nil || d.State() != Stopped || !s.mount.detached {
		t.Errorf("%s, detached %v: %v", d.State(), s.mount.detached, err)
	}
	s.mount.release()
}

// Whoever unmounts, everything is flushed before the logout.
func TestUnmountedByOthers(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	s := newSite(a)
	d := served(t, s)
	write(t, d)
	if err := s.mount.Unmount(); err != nil {
		t.Fatal(err)
	}
	<-d.finished
	if d.State() != Stopped || a.disk(1).syncs == 0 || a.loggedOut() != 1 {
		t.Errorf("%s, synchronized %d times, logged out %d times", d.State(), a.disk(1).syncs, a.loggedOut())
	}
}

// lost is a daemon in service without its mount, whose disk cannot be written; done
// gets its end.
func lost(t *testing.T) (d *Daemon, disk *fakeDisk, done chan error) {
	t.Helper()
	a := newFakeSession(iqnA, 1)
	s := newSite(a)
	d, err := s.start(t)
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan error, 1)
	write(t, d)
	a.disk(1).fail(errors.New("the target is away"))
	if err := s.mount.Unmount(); err != nil {
		t.Fatal(err)
	}
	go func() { done <- d.Serve(t.Context()) }()
	for a.disk(1).synced() == 0 || d.State() != Finishing {
		time.Sleep(time.Millisecond)
	}
	return d, a.disk(1), done
}

// Who unmounts behind the daemon's back loses nothing while the target is away.
func TestUnmountedByOthersWhileAway(t *testing.T) {
	defer func(was time.Duration) { flushPause = was }(flushPause)
	flushPause = 10 * time.Millisecond
	d, disk, done := lost(t)
	for disk.synced() < 3 {
		time.Sleep(time.Millisecond)
	}
	disk.fail(nil)
	if err := <-done; err != nil || d.State() != Stopped {
		t.Errorf("%s: %v", d.State(), err)
	}
}

// A signal ends the tries.
func TestUnmountedByOthersDismissed(t *testing.T) {
	d, _, done := lost(t)
	d.signal(t.Context(), unix.SIGTERM, nil)
	if err := <-done; exitcode.Of(err) != int(exitcode.Dirty) || d.State() != Stopped {
		t.Errorf("%s: %v", d.State(), err)
	}
}

// bare is a daemon in service that holds no locks, which a synctest bubble could
// not sleep with.
func bare(s *site) *Daemon {
	d := newDaemon(s.options("/mnt/luns"), s.login)
	d.server, d.quit = s.mount, func() {}
	d.lifecycle.change(Starting, Serving)
	return d
}

// SIGTERM ends a mount that nobody uses at once.
func TestTerminate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := bare(newSite())
		began := time.Now()
		d.signal(t.Context(), unix.SIGTERM, nil)
		if err := d.Serve(t.Context()); err != nil || d.State() != Stopped || time.Since(began) > 0 {
			t.Errorf("%s after %s: %v", d.State(), time.Since(began), err)
		}
	})
}

// While a LUN is held, SIGTERM waits for the last holder; further ones change
// nothing.
func TestTerminateWhileHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.mount = newFakeMount(shell)
		d := bare(s)
		signals := make(chan os.Signal)
		ctx, cancel := context.WithCancel(t.Context())
		go d.Signals(ctx, signals, nil)
		done := make(chan error, 1)
		go func() { done <- d.Serve(t.Context()) }()
		for range 3 {
			signals <- unix.SIGTERM
		}
		time.Sleep(time.Hour)
		if d.State() != Leaving {
			t.Errorf("state %s", d.State())
		}
		s.mount.release()
		if err := <-done; err != nil || d.State() != Stopped {
			t.Errorf("%s: %v", d.State(), err)
		}
		cancel()
	})
}

// A command's stop that is refused leaves the end that a signal asked for in force.
func TestTerminateAndUnmount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.mount = newFakeMount(shell)
		d := bare(s)
		done := make(chan error, 1)
		go func() { done <- d.Serve(t.Context()) }()
		d.Terminate(t.Context())
		synctest.Wait()
		if err := d.Unmount(t.Context(), UnmountOptions{}); exitcode.Of(err) != int(exitcode.InUse) || d.State() != Leaving {
			t.Errorf("%s: %v", d.State(), err)
		}
		s.mount.release()
		<-done
	})
}

// The kernel may let go of a file a moment after its last holder has gone.
func TestUnmountSettles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.mount.busy = true
		d := bare(s)
		done := make(chan error, 1)
		go func() { done <- d.Serve(t.Context()) }()
		time.AfterFunc(settleTime/2, s.mount.release)
		if err := d.Unmount(t.Context(), UnmountOptions{}); err != nil {
			t.Error(err)
		}
		<-done
	})
}

func TestUnmountBusyUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite()
		s.mount.busy = true
		d := bare(s)
		err := d.Unmount(t.Context(), UnmountOptions{})
		if exitcode.Of(err) != int(exitcode.InUse) || d.State() != Serving {
			t.Errorf("%s: %v", d.State(), err)
		}
	})
}
