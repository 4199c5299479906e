package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/cache"
	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// wantChanges compares the outcome of a rescan: the lines of what was done, and what
// the refusals speak of.
func wantChanges(t *testing.T, got control.Changes, code exitcode.Code, refused string, done ...string) {
	t.Helper()
	text := strings.Join(got.Refused, "\n")
	if !slices.Equal(got.Done, done) || got.Code != int(code) || !strings.Contains(text, refused) || refused == "" && text != "" {
		t.Errorf("done %q, refused %q with code %d, want %q, %q, %d", got.Done, text, got.Code, done, refused, code)
	}
}

func rescan(t *testing.T, d *Daemon) control.Changes {
	t.Helper()
	return rescanWith(t, d, control.RescanOptions{})
}

func rescanWith(t *testing.T, d *Daemon, o control.RescanOptions) control.Changes {
	t.Helper()
	c, err := d.Rescan(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantPaths waits for the files of a mount.
func wantPaths(t *testing.T, d *Daemon, want ...string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !slices.Equal(paths(d), want); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("files %v, want %v", paths(d), want)
		}
	}
}

func TestRescan(t *testing.T) {
	a := newFakeSession(iqnA, 1, 2)
	d := served(t, newSite(a, newFakeSession(iqnB, 7)))
	wantChanges(t, rescan(t, d), 0, "")
	a.add(3)
	gone := a.disk(2)
	a.drop(2, initiator.DiskAway)
	wantChanges(t, rescan(t, d), 0, "", "lun2: removed", "lun3: new, 1.0 MiB")
	wantPaths(t, d, "lun1", "dir1/lun7", "lun3")
	if !gone.isClosed() {
		t.Error("the disk of a LUN that was removed is open")
	}
	if luns := d.Report(t.Context()).Targets[0].LUNs; len(luns) != 2 || luns[0].LUN != 1 || luns[1].LUN != 3 {
		t.Errorf("status: %+v", luns)
	}
	wantChanges(t, rescan(t, d), 0, "")
}

func (d *fakeDisk) isClosed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.closed
}

// New LUNs are opened several at a time, as a mount opens them, and no more than that.
func TestRescanOpensTogether(t *testing.T) {
	const added = 3 * maxTogether
	a := newFakeSession(iqnA, 1)
	d := served(t, newSite(a))
	var want []string
	for n := range uint8(added) {
		a.add(10 + n)
		want = append(want, fmt.Sprintf("lun%d: new, 1.0 MiB", 10+n))
	}
	var mu sync.Mutex
	open, most := 0, 0
	count := func(n int) (reached bool) {
		mu.Lock()
		defer mu.Unlock()
		open += n
		most = max(most, open)
		return most >= maxTogether
	}
	full := make(chan struct{}) // closed when as many as can be are being opened
	var once sync.Once
	a.mu.Lock()
	a.openHook = func() {
		defer count(-1)
		if count(1) {
			once.Do(func() { close(full) })
		}
		select {
		case <-full:
		case <-time.After(10 * time.Second): // they come one after the other
			once.Do(func() { close(full) })
		}
	}
	a.mu.Unlock()
	wantChanges(t, rescan(t, d), 0, "", want...)
	if most != maxTogether {
		t.Errorf("%d are opened at a time, want %d", most, maxTogether)
	}
}

// One that cannot be opened, or used, keeps none of the others from having files; two
// that are one unit have one.
func TestRescanOfMixedLUNs(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	d := served(t, newSite(a))
	broken, first, twin := a.add(2), a.add(3), a.add(4)
	a.add(5)
	broken.change(func() { broken.resetErr = initiator.ErrTimeout })
	twins(first, twin)
	got := rescan(t, d)
	wantChanges(t, got, exitcode.Unreachable, "LUN 2", "lun3: new, 1.0 MiB", "lun4: new, 1.0 MiB", "lun5: new, 1.0 MiB")
	if !broken.isClosed() || twin.isClosed() {
		t.Error("the disk of a LUN without a file is open, or that of one with a file closed")
	}
	if luns := d.attached(); len(luns) != 4 || luns[2].first != luns[1] {
		t.Errorf("LUNs: %+v", luns)
	}
	broken.change(func() { broken.resetErr = nil })
	wantChanges(t, rescan(t, d), 0, "", "lun2: new, 1.0 MiB")
}

// twins makes two disks names of one logical unit.
func twins(a, b *fakeDisk) {
	for _, d := range []*fakeDisk{a, b} {
		d.change(func() { d.info.Serial, d.info.UdevID, d.info.Designators = "", "twin", []scsi.Designator{worldWide} })
	}
}

// A second name of a unit has the file if the first cannot be used.
func TestRescanOfTwinOfBroken(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	d := served(t, newSite(a))
	broken, twin := a.add(2), a.add(3)
	broken.change(func() { broken.resetErr = initiator.ErrTimeout })
	twins(broken, twin)
	if got := rescan(t, d); !slices.Equal(got.Done, []string{"lun3: new, 1.0 MiB"}) || len(got.Refused) != 1 {
		t.Errorf("%+v", got)
	}
	if luns := d.attached(); len(luns) != 2 || luns[1].first != nil || luns[1].volume == nil {
		t.Errorf("LUNs: %+v", luns)
	}
}

// Only LUNs that the configuration lists are added.
func TestRescanOfListedLUNs(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	s := newSite(a)
	s.cfg.Targets[0].LUNs = []uint16{1, 4}
	a.add(4)
	d := served(t, s)
	a.drop(4, initiator.DiskAway)
	a.add(3)
	wantChanges(t, rescan(t, d), 0, "", "lun4: removed")
	a.add(4)
	wantChanges(t, rescan(t, d), 0, "", "lun4: new, 1.0 MiB")
}

// A target that does not answer changes nothing and does not hide the others.
func TestRescanOfSilentTarget(t *testing.T) {
	a, b := newFakeSession(iqnA, 1), newFakeSession(iqnB, 7)
	d := served(t, newSite(a, b))
	a.mu.Lock()
	a.lunsHook = func() error {
		return &initiator.Error{Op: "REPORT LUNS", Target: iqnA, Err: initiator.ErrTimeout}
	}
	a.mu.Unlock()
	b.add(8)
	wantChanges(t, rescan(t, d), exitcode.Unreachable, "REPORT LUNS of "+iqnA, "dir1/lun8: new, 1.0 MiB")
	wantPaths(t, d, "lun1", "dir1/lun7", "dir1/lun8")
}

// Without being asked, what is away for a moment stays; what is lost goes. New LUNs
// come at once.
func TestLUNsChanged(t *testing.T) {
	a := newFakeSession(iqnA, 1, 2)
	d := served(t, newSite(a))
	away := a.disk(2)
	a.drop(2, initiator.DiskAway)
	a.add(3)
	a.tell(initiator.Event{Kind: initiator.LUNsChanged})
	wantPaths(t, d, "lun1", "lun2", "lun3")
	away.vanish(initiator.DiskLost)
	a.tell(initiator.Event{Kind: initiator.LUNLost, LUN: scsi.PeripheralLUN(2)})
	wantPaths(t, d, "lun1", "lun3")
}

// scanAtOnce lets one look for LUNs follow another without a pause worth the name.
func scanAtOnce(t *testing.T) {
	previous := scanPause
	scanPause = time.Millisecond
	t.Cleanup(func() { scanPause = previous })
}

// A target that cannot tell its LUNs when they have changed is asked again.
func TestScanIsRepeated(t *testing.T) {
	scanAtOnce(t)
	a := newFakeSession(iqnA, 1)
	d := served(t, newSite(a))
	failures := 0
	a.mu.Lock()
	a.lunsHook = func() error {
		if failures++; failures > 2 {
			return nil
		}
		return &initiator.Error{Op: "REPORT LUNS", Target: iqnA, Err: initiator.ErrTimeout}
	}
	a.mu.Unlock()
	a.add(2)
	a.tell(initiator.Event{Kind: initiator.LUNsChanged})
	wantPaths(t, d, "lun1", "lun2")
}

// A LUN that is away when the target tells of a change is looked at again until it is
// lost and removed, also when nothing more is told.
func TestAwayLUNIsRemoved(t *testing.T) {
	scanAtOnce(t)
	a := newFakeSession(iqnA, 1, 2)
	d := served(t, newSite(a))
	away := a.disk(2)
	a.drop(2, initiator.DiskAway)
	a.tell(initiator.Event{Kind: initiator.LUNsChanged})
	for deadline := time.Now().Add(10 * time.Second); away.refreshed() < 3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not asked again")
		}
	}
	wantPaths(t, d, "lun1", "lun2")
	away.vanish(initiator.DiskLost)
	wantPaths(t, d, "lun1")
}

// A LUN that the target took away while it was logged in does not keep its file until the
// replacement timeout; a moment, in which it may be mapped anew, it has.
func TestTakenLUNIsRemoved(t *testing.T) {
	scanAtOnce(t)
	a := newFakeSession(iqnA, 1, 2)
	d := served(t, newSite(a))
	taken := a.disk(2)
	a.drop(2, initiator.DiskAway)
	taken.change(func() { taken.status.Removed, taken.status.Since = true, time.Now().Add(time.Hour) })
	d.scan(t.Context(), d.targets[0], noOptions, false)
	wantPaths(t, d, "lun1", "lun2")
	taken.change(func() { taken.status.Since = time.Now() })
	a.tell(initiator.Event{Kind: initiator.LUNsChanged})
	wantPaths(t, d, "lun1")
}

// Of the LUNs that a target reports, those that do not answer are asked.
func TestScanAsksReportedLUNThatIsAway(t *testing.T) {
	a := newFakeSession(iqnA, 1, 2)
	d := served(t, newSite(a))
	a.disk(2).vanish(initiator.DiskAway)
	d.scan(t.Context(), d.targets[0], control.RescanOptions{}, false)
	if well, away := a.disk(1).refreshed(), a.disk(2).refreshed(); well != 0 || away != 1 {
		t.Errorf("asked %d times a LUN that is well, %d times one that is away", well, away)
	}
}

func (d *fakeDisk) refreshed() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.refreshes
}

// A LUN with data that is not on the target stays, whoever asks.
func TestRemovedLUNWithDirtyData(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	d := served(t, newSite(a))
	write(t, d)
	disk := a.disk(1)
	a.drop(1, initiator.DiskLost)
	wantChanges(t, rescan(t, d), exitcode.Dirty, "4.0 KiB")
	wantPaths(t, d, "lun1")
	warnings := strings.Join(d.Report(t.Context()).Targets[0].LUNs[0].Warnings, "\n")
	if !strings.HasPrefix(warnings, "lost since") || !strings.Contains(warnings, ", and 4.0 KiB that is not on the target is kept") || !strings.HasSuffix(warnings, initiator.ErrNotDisk.Error()) {
		t.Errorf("warnings %q", warnings)
	}
	disk.change(func() {
		disk.refreshHook = func() { disk.refreshErr, disk.status = nil, initiator.DiskStatus{} }
	})
	wantChanges(t, rescan(t, d), 0, "", "lun1: back")
	if err := d.Flush(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

// What is written while a LUN is being removed is kept, and so is the LUN's file.
func TestWrittenWhileRemoved(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	d := served(t, newSite(a))
	l := d.attached()[0]
	write(t, d) // after the scan has looked, as d.remove does not
	if err := d.remove(t.Context(), l, d.files.RemoveLUN); !errors.Is(err, errUnsynced) {
		t.Errorf("removed: %v", err)
	}
	wantPaths(t, d, "lun1")
	if a.disk(1).isClosed() || !l.volume.Unsynced() {
		t.Error("the data is given up")
	}
	if err := d.files.RemoveLUN("", "lun1"); err != nil {
		t.Errorf("the file is not there again: %v", err)
	}
	if err := d.Flush(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

// Another logical unit in the place of one takes its name only when somebody asks.
func TestReplacedLUN(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	d := served(t, newSite(a))
	old := a.disk(1)
	a.drop(1, initiator.DiskRefused)
	a.add(1)
	old.change(func() { old.refreshErr = &initiator.Error{Op: "verify", Err: initiator.ErrIdentity} })
	if got := d.scan(t.Context(), d.targets[0], control.RescanOptions{}, false); len(got.Done) != 1 || !strings.Contains(got.Done[0], "refused") {
		t.Logf("%+v", got) // the state was told before perhaps
	}
	if d.attached()[0].opened.inner() != disk(old) {
		t.Fatal("replaced though nobody asked")
	}
	wantChanges(t, rescan(t, d), 0, "", "lun1: removed", "lun1: new, 1.0 MiB")
	if d.attached()[0].opened.inner() == disk(old) {
		t.Error("not replaced")
	}
}

// The further path to a logical unit gets its file when the first is removed.
func TestRemovedPathLeavesFile(t *testing.T) {
	a, b := newFakeSession(iqnA, 1), newFakeSession(iqnB, 7)
	for _, disk := range []*fakeDisk{a.disk(1), b.disk(7)} {
		disk.info.Designators, disk.info.UdevID, disk.info.Serial = []scsi.Designator{worldWide}, "360", "1"
	}
	b.disk(7).info.Capacity.Blocks *= 2 // it has grown, which the session of the first does not know yet
	d := served(t, newSite(a, b))
	if second := d.attached()[1]; second.first == nil {
		t.Fatal("two files for one logical unit")
	}
	a.drop(1, initiator.DiskAway)
	wantChanges(t, rescan(t, d), 0, "", "lun1: removed")
	wantPaths(t, d, "dir1/lun7")
	if l := d.attached()[0]; l.first != nil || l.volume == nil || b.disk(7).isClosed() {
		t.Error("the other path has no file")
	}
}

// The kernel is told of a new size before a rescan returns, and when the target tells.
func TestCapacityChanged(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	s := newSite(a)
	d := served(t, s)
	disk := a.disk(1)
	disk.change(func() { disk.data = make([]byte, 2<<20) })
	a.tell(initiator.Event{Kind: initiator.CapacityChanged, LUN: scsi.PeripheralLUN(1)})
	for deadline := time.Now().Add(10 * time.Second); len(s.mount.refreshes()) < 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the kernel is not told")
		}
	}
	disk.change(func() { disk.refreshHook = func() { disk.data = make([]byte, 3<<20) } })
	wantChanges(t, rescan(t, d), 0, "", "lun1: grew from 2.0 MiB to 3.0 MiB")
	if got := s.mount.refreshes(); !slices.Equal(got, []string{"lun1", "lun1"}) {
		t.Errorf("the kernel was told of %q", got)
	}
	if size := d.Report(t.Context()).Targets[0].LUNs[0].Size; size != 3<<20 {
		t.Errorf("status says %d", size)
	}
}

func (m *fakeMount) refreshes() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.refreshed)
}

// A smaller capacity waits for somebody to accept the loss of what lies beyond.
func TestShrink(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	d := served(t, newSite(a))
	lun, disk := scsi.PeripheralLUN(1), a.disk(1)
	if !a.accepts(lun, 1<<20, 512<<10) {
		t.Error("a smaller capacity is not accepted though nothing is dirty")
	}
	if _, err := d.attached()[0].volume.WriteAt(t.Context(), make([]byte, 8192), 512<<10-4096); err != nil {
		t.Fatal(err)
	}
	if a.accepts(lun, 1<<20, 512<<10) {
		t.Fatal("accepted with dirty data beyond")
	}
	disk.change(func() {
		disk.refreshErr = &initiator.Error{Op: "verify", Err: initiator.ErrShrunk}
		disk.status = initiator.DiskStatus{State: initiator.DiskRefused, Reason: disk.refreshErr}
		disk.pending = disk.data[:512<<10]
	})
	for range 2 {
		wantChanges(t, rescan(t, d), exitcode.Dirty, "lun1: shrank from 1.0 MiB to 512 KiB, and 4.0 KiB")
	}
	if warnings := d.Report(t.Context()).Targets[0].LUNs[0].Warnings; len(warnings) != 1 || !strings.Contains(warnings[0], "--accept-shrink") {
		t.Errorf("warnings %q", warnings)
	}
	got := rescanWith(t, d, control.RescanOptions{AcceptShrink: true})
	wantChanges(t, got, 0, "", "lun1: dropped 4.0 KiB that lay beyond the new end and was not on the target", "lun1: shrank from 1.0 MiB to 512 KiB", "lun1: back")
	if err := d.Flush(t.Context(), ""); err != nil {
		t.Error(err)
	}
}

// What was freed beyond a smaller capacity and is not synchronized is data there.
func TestShrinkBelowFreed(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	d := served(t, newSite(a))
	lun, volume := scsi.PeripheralLUN(1), d.attached()[0].volume
	if err := volume.Punch(t.Context(), 512<<10, 4096); err != nil {
		t.Fatal(err)
	}
	if a.accepts(lun, 1<<20, 512<<10) {
		t.Error("accepted with what is not synchronized beyond")
	}
	if err := volume.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !a.accepts(lun, 1<<20, 512<<10) {
		t.Error("not accepted though all is synchronized")
	}
}

// A LUN that the target protected cannot be written when the protection ends, while
// somebody else on this host writes it.
func TestProtectionEnds(t *testing.T) {
	a, b := newFakeSession(iqnA, 1), newFakeSession(iqnA, 1)
	a.disk(1).info.Mode.WriteProtect = true
	d := served(t, newSite(a))
	other := newSite(b)
	other.cfg.Path = "/etc/iscsifs/other.toml"
	second, err := start(t.Context(), Options{Config: other.cfg, Mountpoint: t.TempDir(), InitiatorName: "iqn.2026-11.org.example:other"}, other.login,
		mountFake(other))
	if err != nil {
		t.Fatal(err)
	}
	end := serveUntil(t, second, other)
	protect := func(on bool) {
		disk := a.disk(1)
		disk.change(func() { disk.info.Mode.WriteProtect = on })
	}
	readOnly := func() bool { return d.attached()[0].volume.ReadOnly() }
	previous := flushPatience
	flushPatience = 0
	defer func() { flushPatience = previous }()
	protect(false)
	got := rescan(t, d)
	if got.Code != int(exitcode.InUse) || !readOnly() {
		t.Errorf("read-only: %v, %+v", readOnly(), got)
	}
	for _, erase := range []func(context.Context, int64, int64) error{d.attached()[0].volume.Zero, d.attached()[0].volume.Punch} {
		if err := erase(t.Context(), 0, 512); !errors.Is(err, cache.ErrReadOnly) {
			t.Errorf("erased what another may be writing: %v", err)
		}
	}
	end()
	wantChanges(t, rescan(t, d), 0, "")
	if readOnly() {
		t.Error("still read-only")
	}
	protect(true)
	if !readOnly() {
		t.Error("not read-only")
	}
}

// serveUntil serves a mount until it is told to end.
func serveUntil(t *testing.T, d *Daemon, s *site) (end func()) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- d.Serve(t.Context()) }()
	return func() {
		s.mount.release()
		if err := errors.Join(d.Unmount(context.WithoutCancel(t.Context()), UnmountOptions{}), <-done); err != nil {
			t.Error(err)
		}
	}
}

// Nothing is opened for a mount that is over, also not by a rescan that began before.
func TestRescanAtTheEnd(t *testing.T) {
	a := newFakeSession(iqnA, 1)
	d := served(t, newSite(a))
	a.add(2)
	s := &scan{d: d, t: d.targets[0], session: a, asked: true, reports: []numberedLUN{{2, scsi.PeripheralLUN(2)}}}
	if err := d.Unmount(t.Context(), UnmountOptions{}); err != nil {
		t.Fatal(err)
	}
	before := a.opens()
	s.discover(t.Context())
	if len(s.Done) != 0 || s.Code == 0 || a.opens() != before {
		t.Errorf("%+v, or a disk was opened", s.Changes)
	}
}

// What a rescan opens by a session that has ended meanwhile has no file by the next one.
func TestRescanAcrossLogin(t *testing.T) {
	a, next := newFakeSession(iqnA, 1), newFakeSession(iqnA, 1)
	s := newSite(a)
	d := served(t, s)
	a.add(2)
	opening, goOn := make(chan struct{}), make(chan struct{})
	a.mu.Lock()
	a.openHook = sync.OnceFunc(func() { close(opening); <-goOn })
	a.mu.Unlock()
	done := make(chan struct{})
	go func() { defer close(done); rescan(t, d) }()
	<-opening
	if err := d.Logout(t.Context(), LogoutOptions{IQN: iqnA}); err != nil {
		t.Error(err)
	}
	s.mu.Lock()
	s.sessions[iqnA] = next
	s.mu.Unlock()
	if err := d.Login(t.Context(), LoginOptions{IQN: iqnA}); err != nil {
		t.Error(err)
	}
	close(goOn)
	<-done
	wantPaths(t, d, "lun1")
	if !a.disk(2).isClosed() {
		t.Error("the disk is open, and nobody's")
	}
}

func (s *fakeSession) opens() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opened
}

// What is said of each change.
func TestChangesInWords(t *testing.T) {
	was := facts{size: 1 << 30, product: "ACME Disk"}
	for want, now := range map[string]facts{
		"grew from 1.0 GiB to 2.0 GiB":                          {size: 2 << 30, product: "ACME Disk"},
		"grew from 1073741824 bytes to 1073742336 bytes":        {size: 1<<30 + 512, product: "ACME Disk"},
		"write-protected by the target":                         {size: 1 << 30, product: "ACME Disk", protected: true},
		"is ACME Other now":                                     {size: 1 << 30, product: "ACME Other"},
		"away: it rains":                                        {size: 1 << 30, product: "ACME Disk", state: initiator.DiskAway, reason: "it rains"},
		"shrank from 1.0 GiB to 512 MiB|refused: it is smaller": {size: 1 << 29, product: "ACME Disk", state: initiator.DiskRefused, reason: "it is smaller"},
		"": was,
	} {
		if got := strings.Join(was.changes(now), "|"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
