package daemon

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/fusefs"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Others in each run: one logical unit is used once on a host.
var (
	iqnA = fmt.Sprintf("iqn.2026-11.org.example:%d-a", os.Getpid())
	iqnB = fmt.Sprintf("iqn.2026-11.org.example:%d-b", os.Getpid())
)

// served starts a daemon and serves until the test's end.
func served(t *testing.T, s *site) *Daemon {
	t.Helper()
	d, err := s.start(t)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- d.Serve(t.Context()) }()
	t.Cleanup(func() {
		s.mount.release()
		if err := d.Unmount(t.Context(), UnmountOptions{Discard: true}); err != nil && d.State() < Finishing {
			t.Errorf("cleanup: %v", err)
		}
		<-done
	})
	return d
}

// paths are the files of a report, in its order.
func paths(d *Daemon) (list []string) {
	for _, l := range d.attached() {
		list = append(list, l.path())
	}
	return list
}

func TestStartPresentsDisks(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 2, 1), newFakeSession(iqnB, 7))
	d := served(t, s)
	if want := []string{"lun1", "lun2", "dir1/lun7"}; !slices.Equal(paths(d), want) {
		t.Errorf("files %v, want %v", paths(d), want)
	}
	report := d.Report(t.Context())
	if report.State != "serving" || len(report.Targets) != 2 || report.Targets[0].State != "logged in" {
		t.Errorf("report: %+v", report)
	}
}

// Of several targets that fail all are named, the first in file order gives the
// code, and the sessions of the others are logged out.
func TestStartFailureNamesAll(t *testing.T) {
	a, b, c := newFakeSession(iqnA, 1), newFakeSession(iqnB, 1), newFakeSession(iqnB+"c", 1)
	s := newSite(a, b, c)
	s.refuse(iqnB, initiator.LoginNotFound)
	s.refuse(iqnB+"c", initiator.LoginAuthenticationFailure)
	_, err := s.start(t)
	if exitcode.Of(err) != int(exitcode.Unreachable) || !strings.Contains(err.Error(), iqnB) || !strings.Contains(err.Error(), iqnB+"c") {
		t.Errorf("code %d: %v", exitcode.Of(err), err)
	}
	if a.loggedOut() != 1 {
		t.Errorf("the session that was open was logged out %d times", a.loggedOut())
	}
}

func TestStartMountFailure(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	s := newSite(a)
	broken := errors.New("no FUSE here")
	_, err := start(t.Context(), s.options(t.TempDir()), s.login,
		func(*fusefs.FS, *Options) (mount, error) { return nil, broken })
	if !errors.Is(err, broken) || a.loggedOut() != 1 {
		t.Errorf("%v, logged out %d times", err, a.loggedOut())
	}
	served(t, s) // all locks were released
}

func TestListedLUNs(t *testing.T) {
	for _, c := range []struct {
		name  string
		luns  []uint16
		want  []string
		words string // of the failure
	}{
		{name: "some", luns: []uint16{2}, want: []string{"lun2"}},
		{name: "absent", luns: []uint16{1, 5}, words: "LUN 5 of " + iqnA + " at 192.0.2.1:3260: the target reports no such LUN"},
		{name: "controller", luns: []uint16{0, 1}, words: "LUN 0 of " + iqnA + " at 192.0.2.1:3260: it is no disk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(newFakeSession(iqnA, 1, 2))
			s.cfg.Targets[0].LUNs = c.luns
			if c.words == "" {
				if d := served(t, s); !slices.Equal(paths(d), c.want) {
					t.Errorf("files %v, want %v", paths(d), c.want)
				}
				return
			}
			_, err := s.start(t)
			if exitcode.Of(err) != int(exitcode.Failed) || !strings.Contains(err.Error(), c.words) {
				t.Errorf("code %d: %v", exitcode.Of(err), err)
			}
		})
	}
}

func TestTargetWithoutDisk(t *testing.T) {
	_, err := newSite(newFakeSession(iqnA)).start(t)
	if exitcode.Of(err) != int(exitcode.Failed) || !strings.Contains(err.Error(), "no disk") {
		t.Errorf("code %d: %v", exitcode.Of(err), err)
	}
}

// A target may report more LUNs than there is memory for: that many are not opened.
func TestTooManyLUNs(t *testing.T) {
	defer func(n int) { maxLUNs = n }(maxLUNs)
	maxLUNs = 3
	for name, sessions := range map[string][]*fakeSession{
		"of one target":  {newFakeSession(iqnA, 1, 2, 3, 4)},
		"of two targets": {newFakeSession(iqnA, 1, 2), newFakeSession(iqnB, 1, 2)},
	} {
		_, err := newSite(sessions...).start(t)
		if exitcode.Of(err) != int(exitcode.Failed) || !strings.Contains(err.Error(), "`luns`") {
			t.Errorf("%s: code %d: %v", name, exitcode.Of(err), err)
		}
	}
	a := newFakeSession(iqnA, 1, 2, 3)
	d := served(t, newSite(a))
	added := a.add(4)
	if changes := rescanWith(t, d, control.RescanOptions{}); changes.Code != int(exitcode.Failed) || len(d.attached()) != 3 || !added.closed {
		t.Errorf("a LUN too many was added: %+v", changes)
	}
}

// worldWide is unique in the world, and so in each run another.
var worldWide = scsi.Designator{Type: scsi.DesignatorNAA, CodeSet: scsi.CodeSetBinary,
	Value: binary.BigEndian.AppendUint32([]byte{0x60, 0x01, 0x40, 0x5d, 0x27, 0xe5, 0xd8, 0x98, 0x82, 0x94, 0x68, 0xb9}, uint32(os.Getpid()))}

// One logical unit has one file, however it is reached.
func TestSameUnitTwice(t *testing.T) {
	a, b := newFakeSession(iqnA, 1), newFakeSession(iqnB, 1)
	a.disk(1).info.Designators = []scsi.Designator{worldWide}
	b.disk(1).info = a.disk(1).info
	d := served(t, newSite(a, b))
	luns := d.attached()
	if len(luns) != 2 || luns[1].first != luns[0] || luns[1].volume != nil {
		t.Fatalf("LUNs: %+v", luns)
	}
	if l := luns[1].links[0]; l != (link{"dir1", "lun1"}) {
		t.Errorf("the second name is %+v", l)
	}
}

// Two tgt hosts give their first disks the same designator: they are two disks.
func TestSameWeakDesignator(t *testing.T) {
	a, b := newFakeSession(iqnA, 1), newFakeSession(iqnB, 1)
	b.disk(1).info = a.disk(1).info
	d := served(t, newSite(a, b))
	if luns := d.attached(); len(luns) != 2 || luns[1].first != nil {
		t.Errorf("LUNs: %+v", luns)
	}
}

// A target that gives all its units one designator still has several units.
func TestSameDesignatorOtherSerial(t *testing.T) {
	a := newFakeSession(iqnA, 1, 2)
	a.disk(2).info.UdevID = a.disk(1).info.UdevID
	d := served(t, newSite(a))
	if luns := d.attached(); len(luns) != 2 || luns[1].first != nil {
		t.Errorf("LUNs: %+v", luns)
	}
}

// The second read-write use of a unit on this host is refused; reading and
// --shared are not.
func TestSecondUse(t *testing.T) {
	// The first has no real mount, and so looks as if it were about to end.
	defer func(was time.Duration) { flushPatience = was }(flushPatience)
	flushPatience = 0
	served(t, newSite(newFakeSession(iqnA, 1)))
	try := func(change func(*Options)) error {
		s := newSite(newFakeSession(iqnA, 1))
		opts := s.options(t.TempDir())
		change(&opts)
		d, err := start(t.Context(), opts, s.login, func(*fusefs.FS, *Options) (mount, error) { return s.mount, nil })
		if err == nil {
			go d.Unmount(t.Context(), UnmountOptions{})
			err = d.Serve(t.Context())
		}
		return err
	}
	inUse := try(func(*Options) {})
	if exitcode.Of(inUse) != int(exitcode.InUse) || !strings.Contains(inUse.Error(), "LUN 1 of "+iqnA) {
		t.Errorf("code %d: %v", exitcode.Of(inUse), inUse)
	}
	if err := try(func(o *Options) { o.ReadOnly = true }); err != nil {
		t.Errorf("read-only: %v", err)
	}
	if err := try(func(o *Options) { o.Shared = true }); err != nil {
		t.Errorf("shared: %v", err)
	}
}

// A target that need not be there does not keep the mount from coming.
func TestOptionalTargetMissing(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 1), newFakeSession(iqnB, 1))
	s.cfg.Targets[1].Required = false
	s.refuse(iqnB, initiator.LoginServiceUnavailable)
	d := served(t, s)
	r := d.Report(t.Context()).Targets[1]
	if r.State != "waiting" || !strings.Contains(r.Reason, "not in service") {
		t.Errorf("report: %+v", r)
	}
	if want := []string{"lun1"}; !slices.Equal(paths(d), want) {
		t.Errorf("files %v, want %v", paths(d), want)
	}
}

func TestReadOnlyTarget(t *testing.T) {
	s := newSite(newFakeSession(iqnA, 1))
	s.cfg.Targets[0].ReadOnly = true
	d := served(t, s)
	if l := d.attached()[0]; !l.volume.ReadOnly() || l.let != nil {
		t.Errorf("read-only: %v, guarded: %v", l.volume.ReadOnly(), l.let != nil)
	}
}

func TestSessionConfig(t *testing.T) {
	c := config.Target{IQN: iqnA, Portals: []config.Portal{{Host: "2001:db8::7", Port: 3261}},
		CHAP:    &config.CHAP{Username: "u", Password: config.NewSecret([]byte("secret-1234"))},
		Session: config.Session{DataDigest: config.DigestPrefer, ReplacementTimeout: config.Never}}
	opts := newSite().options("/mnt/luns")
	got := sessionConfig(&opts, &c)
	if got.Portals[0] != "[2001:db8::7]:3261" || got.DataDigest != initiator.DigestPrefer || got.NoopInterval >= 0 ||
		got.ReplacementTimeout >= 0 || string(got.CHAP.Secret) != "secret-1234" || got.CHAP.Mutual() {
		t.Errorf("%+v", got)
	}
	if probe := ProbeConfig(opts, c); probe.ISID == got.ISID {
		t.Error("a probe has the ISID of a mount's session")
	}
}
