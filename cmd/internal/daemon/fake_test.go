package daemon

import (
	"bytes"
	"context"
	"sync"
	"syscall"
	"testing"

	"github.com/iscsifs/iscsifs/cmd/internal/holders"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/fusefs"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// fakeDisk is a disk in memory.
type fakeDisk struct {
	info initiator.DiskInfo

	mu      sync.Mutex
	data    []byte
	syncErr error // of each Sync
	syncs   int
}

// newFakeDisk is a disk of one MiB with a designator of its own.
func newFakeDisk(lun scsi.LUN, id string) *fakeDisk {
	d := &fakeDisk{data: make([]byte, 1<<20)}
	d.info = initiator.DiskInfo{
		LUN:      lun,
		Inquiry:  scsi.InquiryData{Vendor: "ACME", Product: "Platter", Revision: "1"},
		Serial:   "serial-" + id,
		UdevID:   id,
		Capacity: scsi.Capacity{Blocks: 2048, BlockSize: 512},
	}
	if id != "" {
		d.info.Designators = []scsi.Designator{{Type: scsi.DesignatorT10, CodeSet: scsi.CodeSetASCII,
			Association: scsi.AssociationLogicalUnit, Value: []byte("ACME    " + id)}}
	}
	return d
}

func (d *fakeDisk) Info() initiator.DiskInfo { return d.info }
func (d *fakeDisk) Size() int64              { return int64(len(d.data)) }
func (d *fakeDisk) BlockSize() int           { return 512 }
func (d *fakeDisk) OptimalTransfer() int     { return 0 }
func (d *fakeDisk) MaxTransfer() int         { return 0 }
func (d *fakeDisk) ReadOnly() bool           { return d.info.Mode.WriteProtect }
func (d *fakeDisk) Epoch() uint64            { return 0 }

func (d *fakeDisk) ReadvAt(_ context.Context, bufs [][]byte, off int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, b := range bufs {
		off += int64(copy(b, d.data[off:]))
	}
	return nil
}

func (d *fakeDisk) WritevAt(_ context.Context, bufs [][]byte, off int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(d.data[off:], bytes.Join(bufs, nil))
	return nil
}

func (d *fakeDisk) Sync(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs++
	return d.syncErr
}

// synced counts the Syncs.
func (d *fakeDisk) synced() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs
}

// fail makes each Sync from now on return err.
func (d *fakeDisk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncErr = err
}

// fakeSession is a session with a target of some disks.
type fakeSession struct {
	target  string
	reports []scsi.LUN // of REPORT LUNS
	disks   map[scsi.LUN]*fakeDisk

	mu      sync.Mutex
	logouts int
}

func (s *fakeSession) LUNs(context.Context) ([]scsi.LUN, error) { return s.reports, nil }

func (s *fakeSession) OpenDisk(_ context.Context, lun scsi.LUN) (disk, error) {
	if d := s.disks[lun]; d != nil {
		return d, nil
	}
	return nil, &initiator.Error{Op: "open", Target: s.target, LUN: lun.String(), Err: initiator.ErrNotDisk}
}

func (s *fakeSession) Logout(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logouts++
	return nil
}

func (s *fakeSession) loggedOut() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logouts
}

func (s *fakeSession) Status() initiator.SessionStatus {
	return initiator.SessionStatus{Target: s.target, Portal: "192.0.2.1:3260", Params: initiator.DefaultParams()}
}

// newFakeSession has disks at the given numbers, and a controller at LUN 0, as
// tgt does.
func newFakeSession(iqn string, numbers ...uint8) *fakeSession {
	s := &fakeSession{target: iqn, reports: []scsi.LUN{scsi.PeripheralLUN(0)}, disks: map[scsi.LUN]*fakeDisk{}}
	for _, n := range numbers {
		lun := scsi.PeripheralLUN(n)
		s.reports = append(s.reports, lun)
		s.disks[lun] = newFakeDisk(lun, iqn+"-"+lun.String())
	}
	return s
}

// disk is the disk at a number.
func (s *fakeSession) disk(n uint8) *fakeDisk { return s.disks[scsi.PeripheralLUN(n)] }

// fakeMount is a mount that needs no kernel.
type fakeMount struct {
	mu       sync.Mutex
	held     []holders.Holder
	busy     bool // EBUSY though no holder is seen
	detached bool
	gone     chan struct{}
	goneOnce sync.Once
}

func newFakeMount(held ...holders.Holder) *fakeMount {
	return &fakeMount{held: held, gone: make(chan struct{})}
}

func (m *fakeMount) Unmount() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.held) > 0 || m.busy {
		return syscall.EBUSY
	}
	m.end()
	return nil
}

func (m *fakeMount) Detach(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.detached = true
	return nil
}

func (m *fakeMount) Wait() { <-m.gone }

func (m *fakeMount) Forget() error { return nil }

func (m *fakeMount) Holders(context.Context) ([]holders.Holder, []holders.Note, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]holders.Holder(nil), m.held...), nil, nil
}

// release lets the holders go; a detached mount goes with them.
func (m *fakeMount) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held, m.busy = nil, false
	if m.detached {
		m.end()
	}
}

func (m *fakeMount) end() { m.goneOnce.Do(func() { close(m.gone) }) }

// shell is a holder.
var shell = holders.Holder{LUNPath: "/mnt/luns/lun1", Kind: holders.Process, Name: "bash", PID: 4711, User: "alice", Command: "kill 4711"}

// site is a configuration and the sessions that its targets give.
type site struct {
	cfg      *config.Config
	mount    *fakeMount
	sessions map[string]*fakeSession
	refusals map[string]error // by target: what a login fails with
	logins   map[string]int
	mu       sync.Mutex
}

func newSite(sessions ...*fakeSession) *site {
	s := &site{cfg: &config.Config{Path: "/etc/iscsifs/nas.toml"}, mount: newFakeMount(),
		sessions: map[string]*fakeSession{}, refusals: map[string]error{}, logins: map[string]int{}}
	for i, session := range sessions {
		t := config.Target{IQN: session.target, Required: true, Portals: []config.Portal{{Host: "192.0.2.1", Port: 3260}}}
		if i > 0 {
			t.Directory = "dir" + string(rune('0'+i))
		}
		s.cfg.Targets = append(s.cfg.Targets, t)
		s.sessions[session.target] = session
	}
	return s
}

// refuse makes the logins to a target fail; nil lets them succeed again.
func (s *site) refuse(iqn string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusals[iqn] = err
}

func (s *site) tried(iqn string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.logins[iqn]
}

func (s *site) login(_ context.Context, cfg initiator.Config) (session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.logins[cfg.TargetName]++
	if err := s.refusals[cfg.TargetName]; err != nil {
		return nil, &initiator.Error{Op: "login", Target: cfg.TargetName, Portal: cfg.Portals[0], Err: err}
	}
	return s.sessions[cfg.TargetName], nil
}

func (s *site) options(point string) Options {
	return Options{Config: s.cfg, Mountpoint: point, InitiatorName: "iqn.2026-11.org.example:host"}
}

// start starts a daemon on a mountpoint of its own.
func (s *site) start(t *testing.T) (*Daemon, error) {
	t.Helper()
	return start(t.Context(), s.options(t.TempDir()), s.login,
		func(*fusefs.FS, *Options) (mount, error) { return s.mount, nil })
}
