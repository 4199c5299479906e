package initiator

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// pathsLab is a unit with a path through each of the portals of a strict target:
// portal i is in the portal group i+1.
type pathsLab struct {
	*target.Target
	t       *testing.T
	portals []*target.Portal
	lun     *target.LUN
	cfgs    []Config
	m       *Paths
	u       *Unit
}

// newPathsTarget starts the target alone.
func newPathsTarget(t *testing.T, n int, changes ...setup) *pathsLab {
	t.Helper()
	noLeak(t)
	l := &pathsLab{t: t, lun: target.NewMemoryLUN(8<<20, 512)}
	tc := target.Config{IQN: "iqn.2026-11.org.example:disks", LUNs: []*target.LUN{l.lun}, Strict: true, TPGS: 1}
	params := target.DefaultParams()
	params.DefaultTime2Wait = 0 // a path is back soon
	tc.Params = &params
	cfg := Config{
		InitiatorName: "iqn.2026-11.org.example:initiator", TargetName: tc.IQN,
		LoginTimeout: 5 * time.Second, CommandTimeout: soon, ReplacementTimeout: 2 * soon,
	}
	for _, change := range changes {
		change(&tc, &cfg)
	}
	var err error
	if l.Target, err = target.New(tc); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		p, err := l.AddPortal("127.0.0.1:0", uint16(i+1))
		if err != nil {
			t.Fatal(err)
		}
		l.portals = append(l.portals, p)
		c := cfg
		c.Portals, c.ISID = []string{p.Addr()}, pdu.ISID{0x80, 1, 2, 3, 0, byte(i)}
		l.cfgs = append(l.cfgs, c)
	}
	t.Cleanup(l.end)
	return l
}

// newPathsLab logs in by all portals and opens LUN 0.
func newPathsLab(t *testing.T, n int, changes ...setup) *pathsLab {
	t.Helper()
	l := newPathsTarget(t, n, changes...)
	l.login()
	l.awaitPaths(n)
	return l
}

func (l *pathsLab) end() {
	if l.m != nil {
		l.m.Close()
	}
	l.Target.Close()
	for _, v := range l.Violations() {
		l.t.Errorf("the initiator broke a rule: %v", v)
	}
}

func (l *pathsLab) login() {
	l.t.Helper()
	var err error
	if l.m, err = LoginPaths(timeout(l.t), l.cfgs); err != nil {
		l.t.Fatal(err)
	}
	if l.u, err = l.m.OpenUnit(timeout(l.t), scsi.LUN{}); err != nil {
		l.t.Fatal(err)
	}
}

// awaitPaths waits until n paths are usable, and nothing is asked or reset.
func (l *pathsLab) awaitPaths(n int) {
	l.t.Helper()
	await(l.t, "the usable paths", func() bool {
		l.u.mu.Lock()
		defer l.u.mu.Unlock()
		return l.u.leftLocked() == n && l.u.hauntedSince.IsZero()
	})
}

func (l *pathsLab) read(n int, off int64) []byte {
	l.t.Helper()
	p := make([]byte, n)
	if err := l.u.ReadvAt(timeout(l.t), [][]byte{p}, off); err != nil {
		l.t.Fatal(err)
	}
	return p
}

func (l *pathsLab) write(p []byte, off int64) {
	l.t.Helper()
	if err := l.u.WritevAt(timeout(l.t), [][]byte{p}, off); err != nil {
		l.t.Fatal(err)
	}
}

func (l *pathsLab) startWrite(p []byte, off int64) <-chan error {
	return async(func() error { return l.u.WritevAt(context.Background(), [][]byte{p}, off) })
}

// holdWrites writes n patterns of a size one behind the other, each to its place, and
// returns when the target holds all of them, which it does until the end of the test.
func (l *pathsLab) holdWrites(n, size int) (writes []<-chan error) {
	l.t.Helper()
	gate := target.NewGate()
	l.t.Cleanup(gate.Release)
	held := l.OnExecute(target.Between(1, int64(n), target.SCSI(target.OpWrite10)), target.Hold(gate))
	for i := range n {
		writes = append(writes, l.startWrite(pattern(uint64(i), size), int64(i*size)))
		if !held.Await(i+1, soon) {
			l.t.Fatal("no write")
		}
	}
	return writes
}

// holds checks what the medium holds, behind the target's back.
func (l *pathsLab) holds(want []byte, off int64) {
	l.t.Helper()
	got := make([]byte, len(want))
	if _, err := l.lun.ReadAt(got, off); err != nil {
		l.t.Fatal(err)
	}
	same(l.t, "the medium", got, want)
}

// byPortal counts the commands with an opcode that came through each portal.
func (l *pathsLab) byPortal(opcode byte) map[uint16]int {
	groups := map[uint16]uint16{}
	for _, s := range l.Sessions() {
		groups[s.TSIH] = s.PortalGroup
	}
	n := map[uint16]int{}
	for _, c := range l.Commands() {
		if c.Opcode == opcode {
			n[groups[c.TSIH]]++
		}
	}
	return n
}

// TestRoundRobin: accesses spread over the paths, one after the other and side by
// side.
func TestRoundRobin(t *testing.T) {
	l := newPathsLab(t, 3)
	for i := range 30 {
		l.read(512, int64(i)*512)
	}
	for group, n := range l.byPortal(target.OpRead10) {
		if n != 10 {
			t.Errorf("%d of 30 reads went through portal group %d", n, group)
		}
	}
	gate := target.NewGate()
	rule := l.OnExecute(target.SCSI(target.OpWrite10), target.Hold(gate))
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			if err := l.u.WritevAt(timeout(t), [][]byte{pattern(uint64(i), 512)}, int64(i)*512); err != nil {
				t.Error(err)
			}
		})
	}
	if !rule.Await(30, soon) {
		t.Error("the writes are not under way side by side")
	}
	for group, n := range l.byPortal(target.OpWrite10) {
		if n != 10 {
			t.Errorf("%d of 30 writes went through portal group %d", n, group)
		}
	}
	gate.Release()
	all.Wait()
}

// TestBusyPathIsSpared: of two paths the one with fewer commands in flight is
// taken.
func TestBusyPathIsSpared(t *testing.T) {
	l := newPathsLab(t, 2)
	gate := target.NewGate()
	defer gate.Release()
	stuck := l.OnExecute(target.Once(target.SCSI(target.OpRead10)), target.Hold(gate))
	first := async(func() error { return l.u.ReadvAt(context.Background(), [][]byte{make([]byte, 512)}, 0) })
	if !stuck.Await(1, soon) {
		t.Fatal("no read")
	}
	for range 10 {
		l.read(512, 0)
	}
	n := l.byPortal(target.OpRead10)
	if min(n[1], n[2]) != 1 || max(n[1], n[2]) != 10 {
		t.Errorf("reads by portal group: %v; one path was held up all the time", n)
	}
	gate.Release()
	if err := result(t, first); err != nil {
		t.Error(err)
	}
}

// TestFailover: a path that is cut is left at once, its commands go out on the
// other, and when it is back it is used again.
func TestFailover(t *testing.T) {
	l := newPathsLab(t, 2)
	for round := range 4 {
		cut := l.portals[round%2]
		epoch := l.u.Epoch()
		if err := cut.Cut(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for i := range 20 {
			l.write(pattern(uint64(round*20+i), 4096), int64(i)*4096)
		}
		t.Logf("20 writes across the loss of a path took %v", time.Since(began))
		if err := l.u.Sync(timeout(t)); err != nil {
			t.Fatal(err)
		}
		if err := cut.Listen(); err != nil {
			t.Fatal(err)
		}
		l.awaitPaths(2)
		if l.u.Epoch() == epoch {
			t.Error("the epoch is the same after a new login")
		}
		for i := range 20 {
			l.holds(pattern(uint64(round*20+i), 4096), int64(i)*4096)
		}
		before := l.byPortal(target.OpRead10)
		for range 10 {
			l.read(512, 0)
		}
		after := l.byPortal(target.OpRead10)
		if group := uint16(round%2 + 1); after[group] == before[group] {
			t.Errorf("the path that came back is not used: %v, then %v", before, after)
		}
	}
}

// TestSilentPath: a path on which nothing is answered any more is left within
// NoopInterval and NoopTimeout.
func TestSilentPath(t *testing.T) {
	l := newPathsLab(t, 2, func(_ *target.Config, c *Config) {
		c.NoopInterval, c.NoopTimeout = 200*time.Millisecond, 200*time.Millisecond
	})
	gate := target.NewGate()
	defer gate.Release()
	stall := l.OnReceive(l.portals[0].At(), target.Stall(gate))
	began := time.Now()
	for i := range 6 {
		l.write(pattern(uint64(i), 512), int64(i)*512)
	}
	if took := time.Since(began); took < 100*time.Millisecond || took > 5*time.Second {
		t.Errorf("writes beside a silent path took %v", took)
	}
	stall.Remove()
	gate.Release()
	l.awaitPaths(2)
	for i := range 6 {
		l.holds(pattern(uint64(i), 512), int64(i)*512)
	}
}

// writeOverLostPath writes p to offset 0. Its path is lost while the target holds the
// command, so that another carries it too; the first goes on with the gate.
func (l *pathsLab) writeOverLostPath(p []byte) *target.Gate {
	l.t.Helper()
	gate := target.NewGate()
	held := l.OnExecute(target.Once(target.SCSI(target.OpWrite10)), target.Hold(gate))
	write := l.startWrite(p, 0)
	if !held.Await(1, soon) {
		l.t.Fatal("no write")
	}
	for group, n := range l.byPortal(target.OpWrite10) {
		if n == 1 {
			if err := l.portals[group-1].Cut(); err != nil {
				l.t.Fatal(err)
			}
		}
	}
	if err := result(l.t, write); err != nil {
		l.t.Fatal(err)
	}
	return gate
}

// TestGhostOfALostPath: a write that the target holds back while its path is
// lost is not executed any more after it was repeated on another path, so that it
// cannot overwrite a later one.
func TestGhostOfALostPath(t *testing.T) {
	l := newPathsLab(t, 2)
	v1, v2 := pattern(1, 4096), pattern(2, 4096)
	gate := l.writeOverLostPath(v1)
	l.holds(v1, 0)
	l.write(v2, 0)
	gate.Release() // what was held in the target's queue may go on now
	l.holds(v2, 0)
	for _, p := range l.portals {
		_ = p.StopListening()
		if err := p.Listen(); err != nil {
			t.Fatal(err)
		}
	}
	l.awaitPaths(2)
	for _, p := range l.portals { // while nothing is under way
		p.CutConnections()
		await(t, "the path to be lost", func() bool {
			l.u.mu.Lock()
			defer l.u.mu.Unlock()
			return l.u.leftLocked() == 1
		})
		l.awaitPaths(2)
	}
	if n := l.resets(); n != 1 {
		t.Errorf("%d LOGICAL UNIT RESETs; one is enough for the lost path, also when it is back and lost again", n)
	}
	same(t, "a read", l.read(4096, 0), v2)
}

// resets counts the LOGICAL UNIT RESETs that the target has seen.
func (l *pathsLab) resets() (n int) {
	for _, f := range l.Counters().TaskManagement {
		if f == pdu.LogicalUnitReset {
			n++
		}
	}
	return n
}

// TestResetSparesNoPath: commands that the reset ended without a word on the path
// that is left are sent again; reads go on meanwhile, and writes wait.
func TestResetSparesNoPath(t *testing.T) {
	l := newPathsLab(t, 3)
	data := [][]byte{pattern(0, 4096), pattern(1, 4096), pattern(2, 4096), pattern(3, 4096)}
	writes := l.holdWrites(3, 4096)
	// The reset is held up at the target, so that it is seen what goes on meanwhile.
	resetGate := target.NewGate()
	defer resetGate.Release()
	reset := l.OnReceive(target.Opcode(pdu.OpTaskMgmtReq), target.Stall(resetGate))
	if err := l.portals[0].Cut(); err != nil {
		t.Fatal(err)
	}
	if !reset.Await(1, soon) {
		t.Fatal("no reset")
	}
	reset.Remove()
	for range 3 {
		l.read(4096, 1<<20)
	}
	writes = append(writes, l.startWrite(data[3], 3*4096))
	before := l.Counters().ByOpcode[target.OpWrite10]
	l.read(4096, 1<<20)
	if l.Counters().ByOpcode[target.OpWrite10] != before {
		t.Error("a write went out before the reset was answered")
	}
	resetGate.Release()
	for i, w := range writes {
		if err := result(t, w); err != nil {
			t.Errorf("write %d: %v", i, err)
		}
	}
	for i, p := range data {
		l.holds(p, int64(i)*4096)
	}
}

// TestAbortTaskSetRefused: the same with a target that knows no ABORT TASK SET,
// as LIO.
func TestAbortTaskSetRefused(t *testing.T) {
	l := newPathsLab(t, 3)
	l.OnReceive(func(e *target.Event) bool {
		var r pdu.TaskMgmtRequest
		return e.PDU.Header.Opcode() == pdu.OpTaskMgmtReq && r.Unmarshal(&e.PDU.Header) == nil && r.Function == pdu.AbortTaskSet
	}, target.Edit(func(p *target.PDU) {
		var r pdu.TaskMgmtRequest
		if err := r.Unmarshal(&p.Header); err != nil {
			t.Error(err)
		}
		r.Function = pdu.ClearACA // which the target does not know
		r.Marshal(&p.Header)
	}))
	writes := l.holdWrites(3, 4096)
	if err := l.portals[0].Cut(); err != nil {
		t.Fatal(err)
	}
	for i, w := range writes {
		if err := result(t, w); err != nil {
			t.Errorf("write %d: %v", i, err)
		}
		l.holds(pattern(uint64(i), 4096), int64(i)*4096)
	}
}

// TestNoPathLeft: accesses wait for a path, fail when none comes back in time, and
// work again when one does.
func TestNoPathLeft(t *testing.T) {
	const patience = 2 * time.Second
	l := newPathsLab(t, 2, func(_ *target.Config, c *Config) { c.ReplacementTimeout = patience })
	for _, p := range l.portals {
		if err := p.Cut(); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	err := l.u.ReadvAt(timeout(t), [][]byte{make([]byte, 512)}, 0)
	if took := time.Since(began); !errors.Is(err, ErrSessionLost) || took < patience/2 || took > patience+soon/2 {
		t.Errorf("after %v: %v", took, err)
	}
	var e *Error
	if !errors.As(err, &e) || e.Target != l.cfgs[0].TargetName || e.LUN != "0" {
		t.Errorf("the error does not say where: %v", err)
	}
	if said := err.Error(); strings.Contains(said, "\n") || !strings.Contains(said, l.portals[0].Addr()) || !strings.Contains(said, l.portals[1].Addr()) {
		t.Errorf("not one sentence that names each path: %q", said)
	}
	// A later access does not wait once more.
	began = time.Now()
	if err := l.u.WritevAt(timeout(t), [][]byte{make([]byte, 512)}, 0); !errors.Is(err, ErrSessionLost) || time.Since(began) > patience/2 {
		t.Errorf("after %v: %v", time.Since(began), err)
	}
	if err := l.portals[1].Listen(); err != nil {
		t.Fatal(err)
	}
	l.awaitPaths(1)
	l.write(pattern(1, 512), 0)
	l.holds(pattern(1, 512), 0)
}

// TestWaitForPath: what waits goes on when a path comes back in time.
func TestWaitForPath(t *testing.T) {
	l := newPathsLab(t, 2, func(_ *target.Config, c *Config) { c.ReplacementTimeout = -1 })
	for _, p := range l.portals {
		if err := p.Cut(); err != nil {
			t.Fatal(err)
		}
	}
	w := l.startWrite(pattern(1, 4096), 0)
	r := async(func() error { return l.u.ReadvAt(context.Background(), [][]byte{make([]byte, 512)}, 1<<20) })
	select {
	case err := <-w:
		t.Fatalf("a write without any path: %v", err)
	case err := <-r:
		t.Fatalf("a read without any path: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if err := l.portals[0].Listen(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(result(t, w), result(t, r)); err != nil {
		t.Error(err)
	}
	l.holds(pattern(1, 4096), 0)
}

// TestLatePath: a login succeeds with one path, and another joins when it comes.
func TestLatePath(t *testing.T) {
	l := newPathsTarget(t, 2)
	if err := l.portals[1].StopListening(); err != nil {
		t.Fatal(err)
	}
	l.login()
	if st := l.m.PathStatus(); !st[0].LoggedIn || st[1].LoggedIn || st[1].Reason == nil || st[0].Tag != 1 || st[1].Tag != -1 {
		t.Errorf("paths: %+v", st)
	}
	l.write(pattern(1, 512), 0)
	if err := l.portals[1].Listen(); err != nil {
		t.Fatal(err)
	}
	l.awaitPaths(2)
	if st := l.m.PathStatus(); !st[1].LoggedIn || st[1].Tag != 2 || len(st[1].Access) != 1 || st[1].Access[0] != scsi.ActiveOptimized {
		t.Errorf("paths: %+v", st)
	}
	for range 4 {
		l.read(512, 0)
	}
	if n := l.byPortal(target.OpRead10); n[1] != 2 || n[2] != 2 {
		t.Errorf("reads by portal group: %v", n)
	}
}

// TestNoPathAtAll: a login that no portal answers fails, and leaves nothing.
func TestNoPathAtAll(t *testing.T) {
	l := newPathsTarget(t, 2)
	for _, p := range l.portals {
		if err := p.StopListening(); err != nil {
			t.Fatal(err)
		}
	}
	if m, err := LoginPaths(timeout(t), l.cfgs); err == nil {
		m.Close()
		t.Error("logged in to nothing")
	}
}

// TestForeignUnit: a path on which another logical unit has the number is not
// used, and the status says so.
func TestForeignUnit(t *testing.T) {
	l := newPathsTarget(t, 1)
	other := newPathsTarget(t, 1)
	other.cfgs[0].ISID[5] = 9
	l.cfgs = append(l.cfgs, other.cfgs[0])
	other.lun.Serial = "another"
	l.login()
	await(t, "the refusal", func() bool { return len(l.m.Refusals(l.u)) == 1 })
	if err := l.m.Refusals(l.u)[0]; !errors.Is(err, ErrIdentity) {
		t.Error(err)
	}
	for range 4 {
		l.read(512, 0)
	}
	if n := other.Counters().ByOpcode[target.OpRead10]; n != 0 {
		t.Errorf("%d reads went to the other unit", n)
	}
}

// TestUnitBecomesForeign: a path that leads to another unit after a new login is
// taken out, and used again when it leads to the right one.
func TestUnitBecomesForeign(t *testing.T) {
	l := newPathsLab(t, 2)
	naa, err := hex.DecodeString(l.lun.NAA)
	if err != nil || len(naa) == 0 {
		t.Fatal("the LUN has no NAA designator")
	}
	foreign := l.OnSend(target.All(l.portals[0].At(), target.OfCommand(target.OpInquiry), target.Opcode(pdu.OpDataIn)),
		target.Edit(func(p *target.PDU) {
			p.Data = bytes.ReplaceAll(p.Data, naa, bytes.Repeat([]byte{0x61}, len(naa)))
		}))
	l.portals[0].CutConnections()
	await(t, "the path to be refused", func() bool {
		l.u.mu.Lock()
		defer l.u.mu.Unlock()
		return errors.Is(l.u.paths[0].reason, ErrIdentity) || errors.Is(l.u.paths[1].reason, ErrIdentity)
	})
	before := l.byPortal(target.OpRead10)
	for range 4 {
		l.read(512, 0)
	}
	if after := l.byPortal(target.OpRead10); after[1] != before[1] || after[2] != before[2]+4 {
		t.Errorf("reads by portal group: %v, then %v", before, after)
	}
	foreign.Remove()
	l.portals[0].CutConnections()
	l.awaitPaths(2)
}

// TestUnitGrows: a new capacity that one path has told of holds for all.
func TestUnitGrows(t *testing.T) {
	l := newPathsLab(t, 3)
	if err := l.lun.SetSize(16 << 20); err != nil {
		t.Fatal(err)
	}
	l.read(512, 0) // one path hears of it
	await(t, "the new size", func() bool { return l.u.Size() == 16<<20 })
	for i := range 6 {
		l.write(pattern(uint64(i), 512), 15<<20)
		l.holds(pattern(uint64(i), 512), 15<<20)
	}
}

// TestUnitVanishes: a path on which the LUN is no more is left, and with none left
// accesses wait, then fail; the unit's status tells, and it works when the LUN is
// back.
func TestUnitVanishes(t *testing.T) {
	l := newPathsLab(t, 2, func(_ *target.Config, c *Config) { c.ReplacementTimeout = 500 * time.Millisecond })
	absent := target.AnswerWith(target.CheckCondition(5, 0x25, 0))
	gone := l.OnExecute(target.All(l.portals[0].At(), target.SCSI()), absent)
	for range 4 {
		l.write(pattern(1, 512), 0)
	}
	if st := l.u.Status(); st.State != DiskReady {
		t.Errorf("status %+v with one path", st)
	}
	all := l.OnExecute(target.SCSI(), absent)
	err := l.u.WritevAt(timeout(t), [][]byte{pattern(2, 512)}, 0)
	if !errors.Is(err, ErrSessionLost) || !AwayTooLong(err) {
		t.Errorf("error %v", err)
	}
	if st := l.u.Status(); st.State != DiskLost || st.Reason == nil {
		t.Errorf("status %+v without a path", st)
	}
	gone.Remove()
	all.Remove()
	l.awaitPaths(2)
	l.write(pattern(3, 512), 0)
	l.holds(pattern(3, 512), 0)
}

// TestUnitCloses: what waits ends, and the LUN can be opened again.
func TestUnitCloses(t *testing.T) {
	l := newPathsLab(t, 2)
	if _, err := l.m.OpenUnit(timeout(t), scsi.LUN{}); err == nil {
		t.Error("the LUN was opened twice")
	}
	for _, p := range l.portals {
		p.CutConnections()
	}
	gate := target.NewGate()
	defer gate.Release()
	logins := l.OnReceive(target.Opcode(pdu.OpLoginReq), target.Hold(gate))
	w := l.startWrite(pattern(1, 512), 0)
	if err := l.u.Close(); err != nil {
		t.Error(err)
	}
	if err := result(t, w); err != nil && !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	logins.Remove()
	gate.Release()
	u, err := l.m.OpenUnit(timeout(t), scsi.LUN{})
	for deadline := time.Now().Add(soon); err != nil && time.Now().Before(deadline); u, err = l.m.OpenUnit(timeout(t), scsi.LUN{}) {
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := u.ReadvAt(timeout(t), [][]byte{make([]byte, 512)}, 0); err != nil {
		t.Error(err)
	}
}

// TestOverdueOnOnePath: a command that makes no progress is aborted on its path
// alone; where that takes a reset, the commands of the other paths go on too.
func TestOverdueOnOnePath(t *testing.T) {
	l := newPathsLab(t, 2, func(_ *target.Config, c *Config) { c.CommandTimeout = 300 * time.Millisecond })
	l.OnReceive(target.All(l.portals[0].At(), func(e *target.Event) bool {
		var r pdu.TaskMgmtRequest
		return e.PDU.Header.Opcode() == pdu.OpTaskMgmtReq && r.Unmarshal(&e.PDU.Header) == nil && r.Function == pdu.AbortTask
	}), target.Drop())
	writes := l.holdWrites(2, 512)
	for i, w := range writes {
		if err := result(t, w); err != nil {
			t.Error(err)
		}
		l.holds(pattern(uint64(i), 512), int64(i)*512)
	}
	await(t, "a reset, and the end of what it left on the other path", func() bool {
		done := l.Counters().TaskManagement
		return slices.Contains(done, pdu.LogicalUnitReset) && slices.Contains(done, pdu.AbortTaskSet)
	})
}

// TestSyncAwaitsWrites: SYNCHRONIZE CACHE goes out when all writes that began
// before have been answered, on all paths, and does not wait for later ones.
func TestSyncAwaitsWrites(t *testing.T) {
	l := newPathsLab(t, 2)
	gate, later := target.NewGate(), target.NewGate()
	defer later.Release()
	held := l.OnExecute(target.Between(1, 2, target.SCSI(target.OpWrite10)), target.Hold(gate))
	var writes []<-chan error
	for i := range 2 {
		writes = append(writes, l.startWrite(pattern(1, 512), int64(i)*512))
	}
	if !held.Await(2, soon) {
		t.Fatal("no writes")
	}
	sync := async(func() error { return l.u.Sync(context.Background()) })
	await(t, "Sync to wait", func() bool {
		l.u.mu.Lock()
		defer l.u.mu.Unlock()
		return len(l.u.fences) == 1
	})
	heldLater := l.OnExecute(target.SCSI(target.OpWrite10), target.Hold(later))
	afterwards := l.startWrite(pattern(2, 512), 1<<20)
	if !heldLater.Await(1, soon) {
		t.Fatal("a write does not go out beside a Sync")
	}
	if n := l.Counters().ByOpcode[target.OpSynchronizeCache16]; n != 0 {
		t.Error("SYNCHRONIZE CACHE did not wait for the writes")
	}
	gate.Release()
	for _, w := range writes {
		if err := result(t, w); err != nil {
			t.Error(err)
		}
	}
	if err := result(t, sync); err != nil {
		t.Error(err)
	}
	if n := l.Counters().ByOpcode[target.OpSynchronizeCache16]; n != 1 {
		t.Errorf("%d SYNCHRONIZE CACHE", n)
	}
	later.Release()
	if err := result(t, afterwards); err != nil {
		t.Error(err)
	}
}

// TestOpenUnitWhileClosing: a unit that is being opened when the paths end is not
// opened, and none of its disks stays open.
func TestOpenUnitWhileClosing(t *testing.T) {
	l := newPathsTarget(t, 2)
	var err error
	if l.m, err = LoginPaths(timeout(t), l.cfgs); err != nil {
		t.Fatal(err)
	}
	held, gate := l.holdIdentity()
	opening := async(func() error { _, err := l.m.OpenUnit(context.Background(), scsi.LUN{}); return err })
	if !held.Await(1, soon) {
		t.Fatal("the LUN is not asked what it is")
	}
	// What end does before it ends the sessions: they may answer until then.
	l.m.stop()
	l.m.mu.Lock()
	l.m.units = nil
	l.m.mu.Unlock()
	gate.Release()
	if err := result(t, opening); !errors.Is(err, ErrClosed) {
		t.Errorf("OpenUnit: %v", err)
	}
	for _, s := range l.m.sessions() {
		s.mu.Lock()
		if n := len(s.disks); n != 0 {
			t.Errorf("%d disks are left open", n)
		}
		s.mu.Unlock()
	}
}
