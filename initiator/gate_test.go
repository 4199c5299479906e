package initiator

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// twoLUNs adds a LUN 1 of 1 MiB.
func twoLUNs(tc *target.Config, _ *Config) {
	tc.LUNs = append(tc.LUNs, target.NewMemoryLUN(1<<20, 512))
}

// brisk makes every timeout of a command short.
func brisk(_ *target.Config, c *Config) {
	c.CommandTimeout, c.AbortTimeout, c.ResetTimeout = 200*time.Millisecond, 100*time.Millisecond, 100*time.Millisecond
}

func writeBlock(d *Disk, seed uint64, lba int64) <-chan error {
	return async(func() error {
		_, err := d.WriteAt(context.Background(), pattern(seed, 512), lba*512)
		return err
	})
}

func pending(t *testing.T, what string, c <-chan error) {
	t.Helper()
	select {
	case err := <-c:
		t.Fatalf("%s has ended: %v", what, err)
	default:
	}
}

func awaitDisk(t *testing.T, d *Disk, want DiskState) {
	t.Helper()
	await(t, "LUN "+want.String(), func() bool { return d.Status().State == want })
}

// absences are ways in which LUN 1 is not there after a login, and how it comes
// back.
var absences = map[string]func(l *lab, lun *target.LUN) (back func()){
	"silent": func(l *lab, _ *target.LUN) func() {
		return l.OnExecute(target.All(target.SCSI(target.OpInquiry), target.OnLUN(1)), target.Drop()).Remove
	},
	"silent, with no abort answered": func(l *lab, _ *target.LUN) func() {
		one := l.OnExecute(target.All(target.SCSI(), target.OnLUN(1)), target.Drop())
		two := l.OnReceive(taskManagementOf(1), target.Drop())
		return func() { one.Remove(); two.Remove() }
	},
	"absent": func(l *lab, lun *target.LUN) func() {
		l.RemoveLUN(1)
		return func() { l.AddLUN(1, lun) }
	},
	"not ready": func(l *lab, _ *target.LUN) func() {
		return l.OnExecute(target.All(target.SCSI(target.OpTestUnitReady), target.OnLUN(1)),
			target.AnswerWith(target.CheckCondition(0x02, 0x04, 0x01))).Remove
	},
	"in need of an operator": func(l *lab, _ *target.LUN) func() {
		return l.OnExecute(target.All(target.SCSI(target.OpTestUnitReady), target.OnLUN(1)),
			target.AnswerWith(target.CheckCondition(0x02, 0x04, 0x03))).Remove
	},
}

// TestGatePerLUN: after a login a LUN that is not there holds up none but itself;
// the session counts as logged in. When it is back its commands are carried out.
func TestGatePerLUN(t *testing.T) {
	for name, take := range absences {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, twoLUNs, brisk)
			second := target.NewMemoryLUN(1<<20, 512)
			l.RemoveLUN(1)
			if err := l.AddLUN(1, second); err != nil {
				t.Fatal(err)
			}
			d := l.open(scsi.PeripheralLUN(1))
			l.read(512, 0) // takes the attention of the new LUN
			var back func()
			l.whileDown(func() { back = take(l, second) })
			l.awaitReconnect(1)
			waiting := writeBlock(d, 1, 3)
			for i := range 50 {
				l.write(pattern(uint64(i), 512), int64(i)*512)
			}
			awaitDisk(t, d, DiskAway)
			l.write(pattern(7, 512), 0)
			pending(t, "the write to the LUN that is away", waiting)
			if st := d.Status(); st.Reason == nil || st.Waiting != 1 {
				t.Errorf("status %+v", st)
			}
			back()
			if err := result(t, waiting); err != nil {
				t.Error(err)
			}
			got := make([]byte, 512)
			second.ReadAt(got, 3*512)
			same(t, "the medium", got, pattern(1, 512))
			if st := l.s.Status(); st.Reconnects != 1 || st.State != LoggedIn {
				t.Errorf("%d reconnects: %v", st.Reconnects, st.Reason)
			}
		})
	}
}

// TestManySilentLUNs: as many LUNs as are asked at a time, that all say nothing, do
// not keep the next from being asked.
func TestManySilentLUNs(t *testing.T) {
	l := newLab(t)
	for range maxProbes {
		defer l.s.takeProbe(l.s.conn)()
	}
	l.lun.QueueUnitAttention(0x29, 0x00) // has it asked
	start := time.Now()
	l.write(pattern(1, 512), 0)
	if took := time.Since(start); took < probePatience/2 || took > probePatience+soon/4 {
		t.Errorf("it took %v", took)
	}
}

// TestLUNLost: commands wait for a LUN that is away for ReplacementTimeout, from
// when it went away; then they fail until it is back. Nothing else does.
func TestLUNLost(t *testing.T) {
	const limit = 700 * time.Millisecond
	l := newLab(t, twoLUNs, brisk, func(_ *target.Config, c *Config) { c.ReplacementTimeout = limit })
	d := l.open(scsi.PeripheralLUN(1))
	silent := l.OnExecute(target.All(target.SCSI(), target.OnLUN(1)), target.Drop())
	l.hurry()
	start := time.Now()
	l.CutConnections()
	l.awaitReconnect(1)
	err := result(t, writeBlock(d, 1, 0))
	if took := time.Since(start); !errors.Is(err, ErrLUNLost) || !AwayTooLong(err) || took < limit {
		t.Errorf("after %v: %v", took, err)
	}
	// Also when it has been asked once more, in vain.
	asked := silent.Count()
	if !silent.Await(asked+2, soon) {
		t.Fatal("the LUN is not asked again")
	}
	start = time.Now()
	if err := result(t, writeBlock(d, 1, 0)); !AwayTooLong(err) || time.Since(start) > limit {
		t.Errorf("the next: after %v: %v", time.Since(start), err)
	}
	l.write(pattern(1, 512), 0)
	silent.Remove()
	awaitDisk(t, d, DiskReady)
	if err := result(t, writeBlock(d, 1, 0)); err != nil {
		t.Error(err)
	}
}

// TestLUNRemoved: LOGICAL UNIT NOT SUPPORTED in answer to I/O means that the LUN
// was taken away: its commands wait, and the user is told. When it is back they are
// carried out, unless another logical unit has its number; that one is used when a
// rescan finds the first again.
func TestLUNRemoved(t *testing.T) {
	var events eventLog
	l := newLab(t, func(_ *target.Config, c *Config) { c.OnEvent = events.add })
	l.RemoveLUN(0)
	waiting := writeBlock(l.disk, 1, 5)
	events.await(t, LUNLost, l.disk.lun, ErrSCSI)
	pending(t, "the write", waiting)
	if err := l.AddLUN(0, l.lun); err != nil {
		t.Fatal(err)
	}
	if err := result(t, waiting); err != nil {
		t.Fatal(err)
	}
	events.await(t, LUNBack, l.disk.lun, nil)
	l.holds(pattern(1, 512), 5*512)

	other := otherDisk(8 << 20)
	l.RemoveLUN(0)
	waiting = writeBlock(l.disk, 2, 5)
	events.await(t, LUNLost, l.disk.lun, ErrSCSI)
	l.AddLUN(0, other)
	if err := result(t, waiting); !errors.Is(err, ErrIdentity) {
		t.Errorf("the write: %v", err)
	}
	events.await(t, LUNLost, l.disk.lun, ErrIdentity)
	if err := l.disk.Refresh(timeout(t)); !errors.Is(err, ErrIdentity) {
		t.Errorf("Refresh: %v", err)
	}
	untouched(t, other)
	l.RemoveLUN(0)
	l.AddLUN(0, l.lun)
	if err := l.disk.Refresh(timeout(t)); err != nil {
		t.Fatal(err)
	}
	events.await(t, LUNBack, l.disk.lun, nil)
	l.write(pattern(3, 512), 5*512)
}

// TestSwappedUnnoticed: another logical unit that takes a LUN's number between two
// commands is found out before it is written to, by the attention that it has.
func TestSwappedUnnoticed(t *testing.T) {
	l := newLab(t)
	other := otherDisk(8 << 20)
	l.RemoveLUN(0)
	l.AddLUN(0, other)
	if err := result(t, writeBlock(l.disk, 1, 0)); !errors.Is(err, ErrIdentity) {
		t.Errorf("the write: %v", err)
	}
	untouched(t, other)
}

// TestCloseDisk: a disk that is closed lets go of what waits and of what is under
// way, and the LUN can be opened again.
func TestCloseDisk(t *testing.T) {
	l := newLab(t, func(_ *target.Config, c *Config) { c.QueueDepth = 8 })
	gate := target.NewGate()
	held := l.OnExecute(target.SCSI(target.OpWrite10), target.Hold(gate))
	underWay := writeBlock(l.disk, 1, 0)
	if !held.Await(1, soon) {
		t.Fatal("no write")
	}
	if err := l.disk.Close(); err != nil {
		t.Fatal(err)
	}
	if err := result(t, underWay); !errors.Is(err, ErrClosed) {
		t.Errorf("under way: %v", err)
	}
	if err := result(t, writeBlock(l.disk, 1, 0)); !errors.Is(err, ErrClosed) {
		t.Errorf("afterwards: %v", err)
	}
	if err := l.disk.Refresh(timeout(t)); !errors.Is(err, ErrClosed) {
		t.Errorf("Refresh: %v", err)
	}
	held.Remove()
	l.disk = l.open(scsi.LUN{})
	l.write(pattern(2, 512), 0)
	gate.Release()
	l.holds(pattern(2, 512), 0)
}

// TestCloseDiskAway: the same of one whose LUN is gone.
func TestCloseDiskAway(t *testing.T) {
	l := newLab(t)
	l.RemoveLUN(0)
	waiting := writeBlock(l.disk, 1, 0)
	awaitDisk(t, l.disk, DiskAway)
	l.disk.Close()
	if err := result(t, waiting); !errors.Is(err, ErrClosed) {
		t.Errorf("the write: %v", err)
	}
	other := otherDisk(4 << 20)
	l.AddLUN(0, other)
	l.disk = l.open(scsi.LUN{})
	l.write(pattern(2, 512), 0)
}

// TestGhostOfClosedDisk: writes that a closed disk left behind on a lost
// connection are ended before its LUN is opened again.
func TestGhostOfClosedDisk(t *testing.T) {
	l := newLab(t)
	gate := target.NewGate()
	held := l.OnExecute(target.SCSI(target.OpWrite10), target.Hold(gate))
	lost := writeBlock(l.disk, 1, 0)
	if !held.Await(1, soon) {
		t.Fatal("no write")
	}
	held.Remove()
	l.whileDown(func() {
		l.disk.Close()
		if err := result(t, lost); !errors.Is(err, ErrClosed) {
			t.Errorf("the write: %v", err)
		}
	})
	l.disk = l.open(scsi.LUN{})
	l.write(pattern(2, 512), 0)
	gate.Release()
	l.holds(pattern(2, 512), 0)
}

// TestOldNews: what was learned by a connection that is no more says nothing of
// the next: the LUN may be another by now, and have other writes to end.
func TestOldNews(t *testing.T) {
	l := newLab(t)
	old, info := l.s.conn, l.disk.Info()
	gate := target.NewGate()
	held := l.OnExecute(target.SCSI(target.OpWrite10), target.Hold(gate))
	waiting := writeBlock(l.disk, 1, 0)
	if !held.Await(1, soon) {
		t.Fatal("no write")
	}
	held.Remove()
	silent := l.OnExecute(target.SCSI(target.OpInquiry), target.Hold(gate))
	l.hurry()
	l.CutConnections()
	if !silent.Await(1, soon) {
		t.Fatal("the LUN is not asked")
	}
	if err := l.disk.conclude(old, examination{}, 0, &info, nil); !errors.Is(err, ErrSessionLost) {
		t.Errorf("a proof: %v", err)
	}
	if err := l.s.wasReset(tmReply{conn: old}, pdu.LogicalUnitReset, l.disk.lun); !errors.Is(err, ErrSessionLost) {
		t.Errorf("a reset: %v", err)
	}
	if !l.s.haunted(l.disk.lun) || l.disk.Status().State != DiskUnproven {
		t.Errorf("haunted %v, state %v", l.s.haunted(l.disk.lun), l.disk.Status().State)
	}
	pending(t, "the write", waiting)
	gate.Release()
	if err := result(t, waiting); err != nil {
		t.Error(err)
	}
}

// TestLog: the log has a line for each transition, and none for what is tried in
// vain in between.
func TestLog(t *testing.T) {
	var log syncBuffer
	l := newLab(t, twoLUNs, brisk, func(_ *target.Config, c *Config) {
		c.ReplacementTimeout = 700 * time.Millisecond
		c.Logger = zerolog.New(&log).Level(zerolog.InfoLevel)
	})
	d := l.open(scsi.PeripheralLUN(1))
	silent := l.OnExecute(target.All(target.SCSI(), target.OnLUN(1)), target.Drop())
	l.hurry()
	l.CutConnections()
	awaitDisk(t, d, DiskLost)
	n := silent.Count()
	if !silent.Await(n+2, soon) {
		t.Fatal("the LUN is not asked again")
	}
	silent.Remove()
	awaitDisk(t, d, DiskReady)
	want := []string{"logged in", "connection lost, logging in again", "logged in again", "the LUN is away: its commands wait",
		"the LUN did not come back in time: its commands fail until it does", "the LUN is back"}
	var got []string
	for line := range strings.Lines(log.String()) {
		_, message, _ := strings.Cut(line, `"message":"`)
		got = append(got, strings.TrimSuffix(message, "\"}\n"))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the log has %q", got)
	}
}

// syncBuffer is a log that is written while it is read.
type syncBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// TestProbePause: a LUN that was away for long is noticed as soon when it is back
// as a target is: the pauses grow, to that between two logins, and no further.
func TestProbePause(t *testing.T) {
	for tries := range 100 {
		if pause := probePause(tries); pause < minProbeBackoff/2 || pause > maxBackoff*3/2 {
			t.Errorf("%v after %d questions", pause, tries)
		}
	}
	if short, long := probePause(0), probePause(20); short > minProbeBackoff*3/2 || long < maxBackoff/2 {
		t.Errorf("%v at first, %v at last", short, long)
	}
}

// TestAbortTaskSetLeavesGhosts: ABORT TASK SET "aborts all tasks issued via this session
// on the LU" (RFC 7143, Section 11.5.1); what a lost one left behind only a reset ends.
func TestAbortTaskSetLeavesGhosts(t *testing.T) {
	for function, ends := range map[byte]bool{2: false, 5: true} {
		p := newWirePeer(t, "")
		s, w := p.login()
		d := rawDisk(s, scsi.LUN{})
		s.mu.Lock()
		s.ghosts[d.lun] = true
		s.mu.Unlock()
		done := async(func() error { return s.resetLUN(context.Background(), d.lun, pdu.TaskMgmtFunction(function)) })
		h, _ := w.expect(0x02)
		w.respond(newHeader(0x22, 0x80).put(atITT, h.get(atITT)), nil)
		if err := result(t, done); err != nil {
			t.Fatal(err)
		}
		if s.haunted(d.lun) == ends {
			t.Errorf("function %d ends what was left behind: %v, want %v", h[1]&0x7f, !ends, ends)
		}
	}
}

// TestResetSparesLaterCommands: a reset ends the commands with a lower CmdSN than its own
// (RFC 7143, Section 4.2.3.3); one of another LUN that was sent behind it goes on.
func TestResetSparesLaterCommands(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	d := rawDisk(s, scsi.LUN{0, 1})
	reset := async(func() error { return s.resetLUN(context.Background(), scsi.LUN{}, pdu.TargetWarmReset) })
	h, _ := w.expect(0x02)
	read := readBlock(d, 0)
	command, _ := w.command()
	w.respond(newHeader(0x22, 0x80).put(atITT, h.get(atITT)), nil)
	if err := result(t, reset); err != nil {
		t.Fatal(err)
	}
	w.serveBlock(command, make([]byte, 512))
	if err := result(t, read); err != nil {
		t.Error(err)
	}
}
