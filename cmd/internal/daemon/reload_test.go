package daemon

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
)

func reload(t *testing.T, d *Daemon) control.Changes {
	t.Helper()
	c, err := d.Reload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// also gives a site one more target.
func (s *site) also(iqn, directory string, numbers ...uint8) *fakeSession {
	session := newFakeSession(iqn, numbers...)
	s.sessions[iqn] = session
	s.cfg.Targets = append(s.cfg.Targets, config.Target{IQN: iqn, Directory: directory, Required: true,
		Portals: []config.Portal{{Host: "192.0.2.1", Port: 3260}}, Session: config.Session{Sessions: 1}})
	return session
}

// Targets come and go with the file, in its order.
func TestReload(t *testing.T) {
	a, b := newFakeSession(iqnA, 1), newFakeSession(iqnB, 7)
	s := newSite(a, b)
	d := served(t, s)
	wantChanges(t, reload(t, d), 0, "")
	s.cfg.Targets = s.cfg.Targets[:1]
	s.also(iqnC, "c", 3)
	wantChanges(t, reload(t, d), 0, "", iqnB+": not in the configuration any more: gone", "c/lun3: new, 1.0 MiB, of "+iqnC)
	wantPaths(t, d, "lun1", "c/lun3")
	if b.loggedOut() != 1 || d.targetNamed(iqnB) != nil {
		t.Errorf("%d logouts of what is gone", b.loggedOut())
	}
	s.cfg.Targets[0], s.cfg.Targets[1] = s.cfg.Targets[1], s.cfg.Targets[0]
	wantChanges(t, reload(t, d), 0, "")
	if r := d.Report(t.Context()).Targets; r[0].IQN != iqnC || r[1].IQN != iqnA {
		t.Errorf("the order is %s, %s", r[0].IQN, r[1].IQN)
	}
}

// What is in use stays, and says by whom.
func TestReloadInUse(t *testing.T) {
	b := newFakeSession(iqnB, 7)
	s := newSite(newFakeSession(iqnA, 1), b)
	d := served(t, s)
	held := shell
	held.LUNPath = d.opts.Mountpoint + "/dir1/lun7"
	s.mount.hold(held)
	s.cfg.Targets = s.cfg.Targets[:1]
	wantChanges(t, reload(t, d), exitcode.InUse, "kill 4711")
	wantPaths(t, d, "lun1", "dir1/lun7")
	s.mount.hold()
	wantChanges(t, reload(t, d), 0, "", iqnB+": not in the configuration any more: gone")
}

// A faulty file changes nothing, and every fault is named.
func TestReloadFaults(t *testing.T) {
	d := served(t, newSite(newFakeSession(iqnA, 1)))
	d.opts.Load = func() (*config.Config, error) {
		return nil, config.Faults{{File: "/nas.toml", Line: 3, Key: "target.iqn", Message: "is bad"}, {File: "/nas.toml", Line: 7, Message: "too"}}
	}
	c := reload(t, d)
	wantChanges(t, c, exitcode.Usage, "/nas.toml:3: target.iqn: is bad\n/nas.toml:7: too")
	wantPaths(t, d, "lun1")
}

// What was logged out by hand stays out; what only the file kept out comes.
func TestReloadOfWhatIsOut(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 1), newFakeSession(iqnB, 7))
	s.cfg.Targets[1].Login = config.LoginManual
	d := served(t, s)
	logoutOf(t, d, LogoutOptions{IQN: iqnA})
	s.cfg.Targets[1].Login = config.LoginAuto
	c := reload(t, d)
	wantChanges(t, c, 0, "", iqnB+": changed: login", "dir1/lun7: new, 1.0 MiB, of "+iqnB)
	if stateOf(d, iqnA) != out {
		t.Errorf("%s is %s", iqnA, stateOf(d, iqnA))
	}
	s.cfg.Targets[1].Login = config.LoginManual
	reload(t, d)
	if stateOf(d, iqnB) != up {
		t.Error("login = \"manual\" logs out")
	}
	logoutOf(t, d, LogoutOptions{IQN: iqnB})
	s.cfg.Targets[1].Login = config.LoginAuto
	reload(t, d)
	if stateOf(d, iqnB) != out {
		t.Error("a reload logs in to what was logged out by hand")
	}
}

// A target that is being tried is not any more, once its login is manual.
func TestReloadToManual(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 1))
	s.cfg.Targets[0].Required = false
	s.refuse(iqnA, initiator.ErrTimeout)
	d := served(t, s)
	s.cfg.Targets[0].Login = config.LoginManual
	reload(t, d)
	if r := d.Report(t.Context()).Targets[0]; r.State != "logged out" || r.NextAttempt != nil {
		t.Errorf("%+v", r)
	}
	s.refuse(iqnA, nil)
	loginTo(t, d, iqnA)
}

// What can change does at once; what cannot is named, and taken over by the next login.
func TestReloadSettings(t *testing.T) {
	a := newFakeSession(iqnA, 1, 2, 3)
	s := newSite(a)
	s.cfg.Targets[0].LUNs = []uint16{1, 2}
	s.cfg.Targets[0].Cache.FlushInterval = time.Hour
	d := served(t, s)
	want := &s.cfg.Targets[0]
	want.LUNs = []uint16{2, 3}
	want.Cache.FlushInterval = time.Minute
	want.Directory, want.ReadOnly, want.Session.QueueDepth, want.Cache.Mode = "elsewhere", true, 7, config.None
	want.Session.NoopInterval, want.Session.ReplacementTimeout = time.Minute, config.Never
	want.CHAP = &config.CHAP{Username: "u", Password: config.NewSecret([]byte("secret number 1"))}
	c := reload(t, d)
	wantChanges(t, c, exitcode.Failed, iqnA+": directory, read_only, session.queue_depth, cache.mode: cannot be changed while it is logged in",
		iqnA+": changed: luns, chap, session.noop_interval, session.replacement_timeout, cache.flush_interval", "lun1: removed", "lun3: new, 1.0 MiB")
	wantPaths(t, d, "lun2", "lun3")
	if got := d.targetNamed(iqnA).paths()[0]; got.CHAP == nil || got.QueueDepth != 0 {
		t.Errorf("the next login is by %+v", got)
	}
	if n := len(a.adjusted); n != 1 || a.adjusted[0].NoopInterval != time.Minute || a.adjusted[0].ReplacementTimeout >= 0 || string(a.adjusted[0].CHAP.Secret) != "secret number 1" {
		t.Errorf("the session was adjusted %d times: %+v", n, a.adjusted)
	}
	// Named as long as it is not in effect.
	wantChanges(t, reload(t, d), exitcode.Failed, "read_only")
	logoutOf(t, d, LogoutOptions{IQN: iqnA})
	loginTo(t, d, iqnA)
	wantPaths(t, d, "elsewhere/lun2", "elsewhere/lun3")
	if l := d.attached()[0]; !l.volume.ReadOnly() {
		t.Error("it can be written")
	}
	wantChanges(t, reload(t, d), 0, "")
}

// What is held back goes out when late data is to be written from now on.
func TestReloadWritesLate(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	s := newSite(a)
	d := served(t, s)
	v := d.attached()[0].volume
	v.HoldLate()
	if _, err := v.WriteAt(t.Context(), fill, 0); err != nil {
		t.Fatal(err)
	}
	for _, late := range []config.LateWrites{config.Hold, config.Write} {
		s.cfg.Targets[0].Cache.LateWrites = late
		s.cfg.Targets[0].Cache.FlushInterval += time.Second
		reload(t, d)
		if held := v.Late(); held != (late == config.Hold) {
			t.Errorf("late_writes %s: held back %v", late, held)
		}
	}
	if err := v.Sync(t.Context()); err != nil || !bytes.Equal(a.disk(1).medium(0), fill) {
		t.Errorf("what was held back is not on the disk: %v", err)
	}
}

// A LUN that is listed and not there is named.
func TestReloadListsWhatIsAbsent(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 1, 2))
	d := served(t, s)
	s.cfg.Targets[0].LUNs = []uint16{1, 7}
	wantChanges(t, reload(t, d), exitcode.Failed, "LUN 7 of "+iqnA, iqnA+": changed: luns", "lun2: removed")
	wantPaths(t, d, "lun1")
}

// A LUN that is not listed any more is not taken from who uses it.
func TestReloadUnlistsWhatIsInUse(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 1, 2))
	d := served(t, s)
	held := shell
	held.LUNPath = d.opts.Mountpoint + "/lun1"
	s.mount.hold(held)
	s.cfg.Targets[0].LUNs = []uint16{2}
	wantChanges(t, reload(t, d), exitcode.InUse, "kill 4711", iqnA+": changed: luns")
	wantPaths(t, d, "lun1", "lun2")
}

// The mount's own settings wait for the next mount, but for the log level.
func TestReloadMountSettings(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 1))
	d := served(t, s)
	var level config.LogLevel
	d.opts.SetLevel = func(l config.LogLevel) { level = l }
	s.cfg.Log.Level, s.cfg.Cache.Size, s.cfg.Mount.Mode, s.cfg.Mount.Wait = config.LogDebug, 512<<20, 0o640, time.Hour
	wantChanges(t, reload(t, d), exitcode.Failed, "cache.size, mount.mode: cannot be changed while it is mounted", "log.level: debug")
	if level != config.LogDebug {
		t.Errorf("level %q", level)
	}
	wantChanges(t, reload(t, d), exitcode.Failed, "cache.size, mount.mode")
}

// Discoveries come and go with the file too.
func TestReloadDiscoveries(t *testing.T) {
	s := offering(false)
	all := s.cfg.Discoveries
	s.cfg.Discoveries = nil
	s.also(iqnA, "", 1)
	s.offer(nil, iqnC, iqnD)
	d := served(t, s)
	s.cfg.Discoveries = all
	wantChanges(t, reload(t, d), 0, "", iqnC+"/lun1: new, 1.0 MiB, of "+iqnC, iqnD+"/lun1: new, 1.0 MiB, of "+iqnD)
	again := all[0]
	again.Match = []string{"*:d"}
	s.cfg.Discoveries = []config.Discovery{again}
	wantChanges(t, reload(t, d), 0, "", iqnC+": not in the configuration any more: gone")
	// A target of the file takes it over; while it is logged in it stays where it is.
	s.also(iqnD, "mine")
	s.sessions[iqnD] = newFakeSession(iqnD, 1)
	c := reload(t, d)
	wantChanges(t, c, exitcode.Failed, "directory", iqnD+": changed: required, chap")
	s.offer(errors.New("silent"))
	s.cfg.Discoveries = nil
	c = reload(t, d)
	wantPaths(t, d, "lun1", iqnD+"/lun1")
	if len(c.Done) != 0 || !strings.Contains(strings.Join(c.Refused, ""), "directory") {
		t.Errorf("%+v", c)
	}
}

// A portal that does not answer a reload is asked again, whether the reload brought the
// discovery or it was asked already.
func TestReloadKeepsAskingPortals(t *testing.T) {
	s := offering(false)
	s.offer(errors.New("silent"))
	s.also(iqnA, "", 1)
	d := served(t, s)
	s.cfg.Discoveries = slices.Clone(s.cfg.Discoveries) // as reading the file makes it
	wantChanges(t, reload(t, d), exitcode.Failed, "silent")
	s.offer(nil) // a target that is starting up has none yet
	for !strings.Contains(strings.Join(d.Report(t.Context()).Warnings, ""), "no target that matches") {
		time.Sleep(time.Millisecond)
	}
	s.offer(nil, iqnC)
	wantPaths(t, d, "lun1", iqnC+"/lun1")
}
