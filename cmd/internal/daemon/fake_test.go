package daemon

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/holders"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/fusefs"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// fakeDisk is a disk in memory.
type fakeDisk struct {
	mu          sync.Mutex
	info        initiator.DiskInfo
	data        []byte
	syncErr     error // of each Sync
	writeErr    error // of each write
	syncs       int
	status      initiator.DiskStatus
	refreshErr  error  // of each Refresh
	refreshHook func() // of each Refresh; nil = none
	refreshes   int
	resetErr    error // of each Reset
	lostResets  int   // so many lose their session first
	resets      int
	onReset     func() // told of each Reset before it is done; nil = none
	onWrite     func() // told of each write before it changes the medium; nil = none
	pending     []byte // what AcceptCapacity takes over; nil = nothing
	closed      bool

	reservation initiator.Reservation
	reserveErr  error  // of each Reserve
	found       bool   // by each Reserve
	preempted   uint64 // by the last Reserve
	onRelease   func() // told of each Release of what is reserved
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

func (d *fakeDisk) Info() initiator.DiskInfo     { d.mu.Lock(); defer d.mu.Unlock(); return d.info }
func (d *fakeDisk) Size() int64                  { d.mu.Lock(); defer d.mu.Unlock(); return int64(len(d.data)) }
func (d *fakeDisk) Status() initiator.DiskStatus { d.mu.Lock(); defer d.mu.Unlock(); return d.status }
func (d *fakeDisk) Refresh(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refreshes++
	if d.refreshHook != nil {
		d.refreshHook()
	}
	return d.refreshErr
}

func (d *fakeDisk) Reset(context.Context) error {
	d.mu.Lock()
	tell := d.onReset
	d.mu.Unlock()
	if tell != nil {
		tell()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.resets++
	if d.resets <= d.lostResets {
		return &initiator.Error{Op: "reset", LUN: d.info.LUN.String(), Err: initiator.ErrSessionLost}
	}
	return d.resetErr
}

// AcceptCapacity takes over what a refused shrink has left.
func (d *fakeDisk) AcceptCapacity(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pending != nil {
		d.data, d.pending = d.pending, nil
		d.status, d.refreshErr = initiator.DiskStatus{}, nil
	}
	return d.refreshErr
}

func (d *fakeDisk) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return nil
}

// change changes what the disk says of itself.
func (d *fakeDisk) change(do func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	do()
}

// vanish makes the disk what the initiator makes of one that the target has no more.
func (d *fakeDisk) vanish(state initiator.DiskState) {
	d.change(func() {
		d.refreshErr = &initiator.Error{Op: "verify", LUN: d.info.LUN.String(), Err: initiator.ErrNotDisk}
		d.status = initiator.DiskStatus{State: state, Since: time.Unix(1e9, 0), Reason: d.refreshErr}
	})
}
func (d *fakeDisk) BlockSize() int        { return 512 }
func (d *fakeDisk) OptimalTransfer() int  { return 0 }
func (d *fakeDisk) UnmapGranularity() int { return 0 }
func (d *fakeDisk) MaxTransfer() int      { return 0 }
func (d *fakeDisk) ReadOnly() bool        { return d.Info().Mode.WriteProtect }
func (d *fakeDisk) Epoch() uint64         { return 0 }

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
	tell := d.onWrite
	d.mu.Unlock()
	if tell != nil {
		tell()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.writeErr == nil {
		copy(d.data[off:], bytes.Join(bufs, nil))
	}
	return d.writeErr
}

func (d *fakeDisk) Zero(ctx context.Context, off, n int64) error {
	return d.WritevAt(ctx, [][]byte{make([]byte, n)}, off)
}

func (d *fakeDisk) Deallocate(ctx context.Context, off, n int64) error { return d.Zero(ctx, off, n) }

func (d *fakeDisk) Allocation(_ context.Context, off int64) (int64, bool, error) {
	return d.Size() - off, false, nil
}

func (d *fakeDisk) Thin() bool { return false }

func (d *fakeDisk) Sync(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs++
	return d.syncErr
}

func (d *fakeDisk) Reserve(_ context.Context, key, preempt uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.preempted = preempt
	if d.reserveErr == nil {
		d.reservation = initiator.Reservation{Key: key, Found: d.found}
	}
	return d.reserveErr
}

func (d *fakeDisk) Release(context.Context) error {
	d.mu.Lock()
	held := d.reservation.Key != 0
	d.reservation = initiator.Reservation{}
	d.mu.Unlock()
	if held && d.onRelease != nil {
		d.onRelease()
	}
	return nil
}

func (d *fakeDisk) Reservation() initiator.Reservation {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.reservation
}

// loseReservation is what a check finds.
func (d *fakeDisk) loseReservation() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reservation.Lost = initiator.ErrReservationLost
}

// refuseWrites makes each write from now on return err.
func (d *fakeDisk) refuseWrites(err error) { d.change(func() { d.writeErr = err }) }

// counted is one of the disk's counters.
func (d *fakeDisk) counted(n *int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return *n
}

// medium is a block of what stands on the disk.
func (d *fakeDisk) medium(off int64) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.Clone(d.data[off : off+4096])
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
	target string

	mu       sync.Mutex
	reports  []scsi.LUN // of REPORT LUNS
	disks    map[scsi.LUN]*fakeDisk
	lunsHook func() error // decides the error of each REPORT LUNS; nil = none
	openHook func()       // begins each OpenDisk; nil = none
	opened   int          // counts OpenDisk
	logouts  int
	tell     func(initiator.Event)
	accepts  func(scsi.LUN, int64, int64) bool
	adjusted []initiator.Config
}

func (s *fakeSession) Adjust(cfg initiator.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.adjusted = append(s.adjusted, cfg)
}

func (s *fakeSession) LUNs(context.Context) ([]scsi.LUN, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lunsHook != nil {
		if err := s.lunsHook(); err != nil {
			return nil, err
		}
	}
	return slices.Clone(s.reports), nil
}

// add makes the target show one more disk.
func (s *fakeSession) add(n uint8) *fakeDisk {
	s.mu.Lock()
	defer s.mu.Unlock()
	lun := scsi.PeripheralLUN(n)
	s.reports = append(s.reports, lun)
	s.disks[lun] = newFakeDisk(lun, s.target+"-"+lun.String()+"-again")
	return s.disks[lun]
}

// drop makes the target have a disk no more.
func (s *fakeSession) drop(n uint8, state initiator.DiskState) {
	s.disk(n).vanish(state)
	s.mu.Lock()
	defer s.mu.Unlock()
	lun := scsi.PeripheralLUN(n)
	s.reports = slices.DeleteFunc(s.reports, func(l scsi.LUN) bool { return l == lun })
	delete(s.disks, lun)
}

func (s *fakeSession) OpenDisk(_ context.Context, lun scsi.LUN) (disk, error) {
	s.mu.Lock()
	hook := s.openHook
	s.mu.Unlock()
	if hook != nil {
		hook()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
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
func (s *fakeSession) disk(n uint8) *fakeDisk {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.disks[scsi.PeripheralLUN(n)]
}

// fakeMount is a mount that needs no kernel.
type fakeMount struct {
	mu        sync.Mutex
	held      []holders.Holder
	busy      bool // EBUSY though no holder is seen
	detached  bool
	refreshed []string
	gone      chan struct{}
	goneOnce  sync.Once
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

func (m *fakeMount) Refresh(_ context.Context, file string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refreshed = append(m.refreshed, file)
	return nil
}

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
	hangs    map[string]bool        // by target: a login ends with its context
	offers   []initiator.Discovered // of every portal
	offerErr error                  // of each discovery
	asked    []initiator.Config     // of the discoveries
	mu       sync.Mutex
}

func newSite(sessions ...*fakeSession) *site {
	s := &site{cfg: &config.Config{Path: "/etc/iscsifs/nas.toml"}, mount: newFakeMount(),
		sessions: map[string]*fakeSession{}, refusals: map[string]error{}, logins: map[string]int{}, hangs: map[string]bool{}}
	for i, session := range sessions {
		t := config.Target{IQN: session.target, Required: true, Portals: []config.Portal{{Host: "192.0.2.1", Port: 3260}}, Session: config.Session{Sessions: 1}}
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

// hang makes the logins to a target wait for ever.
func (s *site) hang(iqn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hangs[iqn] = true
}

func (s *site) login(ctx context.Context, cfgs []initiator.Config, several bool) (session, error) {
	cfg := cfgs[0]
	s.mu.Lock()
	s.logins[cfg.TargetName]++
	hangs := s.hangs[cfg.TargetName]
	s.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return nil, context.Cause(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refusals[cfg.TargetName]; err != nil {
		return nil, &initiator.Error{Op: "login", Target: cfg.TargetName, Portal: cfg.Portals[0], Err: err}
	}
	session := s.sessions[cfg.TargetName]
	session.tell, session.accepts = cfg.OnEvent, cfg.AcceptShrink
	if several {
		return &fakePaths{fakeSession: session, cfgs: cfgs}, nil
	}
	return session, nil
}

func (s *site) options(point string) Options {
	return Options{Config: s.load(), Mountpoint: point, InitiatorName: "iqn.2026-11.org.example:host",
		discover: s.discover, Load: func() (*config.Config, error) { return s.load(), nil }}
}

// load is the configuration as it is now.
func (s *site) load() *config.Config {
	cfg := *s.cfg
	cfg.Targets, cfg.Discoveries = slices.Clone(s.cfg.Targets), slices.Clone(s.cfg.Discoveries)
	return &cfg
}

// discover is what every portal says.
func (s *site) discover(_ context.Context, cfg initiator.Config) ([]initiator.Discovered, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, cfg)
	return s.offers, s.offerErr
}

// offer makes the portals offer these targets, each by the addresses.
func (s *site) offer(err error, iqns ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offers, s.offerErr = nil, err
	for _, iqn := range iqns {
		s.offers = append(s.offers, initiator.Discovered{Name: iqn, Portals: []initiator.DiscoveredPortal{{Address: "192.0.2.1:3260", Tag: 1}}})
	}
}

// start starts a daemon on a mountpoint of its own.
func (s *site) start(t *testing.T) (*Daemon, error) {
	t.Helper()
	return start(t.Context(), s.options(t.TempDir()), s.login,
		mountFake(s))
}

// mountFake mounts without a kernel.
func mountFake(s *site) mountFunc {
	return func(*fusefs.FS, *Options) (mount, error) { return s.mount, nil }
}

// fakePaths is a session of several paths.
type fakePaths struct {
	*fakeSession
	cfgs   []initiator.Config
	addErr error // of each Add
}

func (p *fakePaths) Add(_ context.Context, cfgs []initiator.Config) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cfgs = append(p.cfgs, cfgs...)
	return p.addErr
}

func (p *fakePaths) Remove(_ context.Context, portal string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cfgs = slices.DeleteFunc(p.cfgs, func(c initiator.Config) bool { return c.Portals[0] == portal })
	return nil
}

func (p *fakePaths) PathStatus() (list []initiator.PathStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.cfgs {
		list = append(list, initiator.PathStatus{Address: c.Portals[0], Portal: c.Portals[0], State: "logged in"})
	}
	return list
}
