package initiator

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// Task management functions (RFC 7143, Section 11.5.1).
const (
	abortTask = 1
	lunReset  = 5
)

// taskManagementOf matches the requests for a LUN of up to 255, and the functions
// if any are given.
func taskManagementOf(lun byte, functions ...byte) target.Match {
	return func(e *target.Event) bool {
		h := header(e.PDU.Header)
		return h.opcode() == 0x02 && h[atLUN+1] == lun && (len(functions) == 0 || slices.Contains(functions, h[1]&0x7f))
	}
}

// sent returns the initiator's PDUs with an opcode.
func sent(c *target.Capture, opcode byte) (all []header) {
	for _, p := range c.PDUs() {
		if h := header(p.PDU.Header); !p.FromTarget && h.opcode() == opcode {
			all = append(all, h)
		}
	}
	return all
}

// writes returns the WRITE (10) commands to a block, in order.
func writes(c *target.Capture, lba uint32) []header {
	return slices.DeleteFunc(sent(c, 0x01), func(h header) bool { return h[32] != target.OpWrite10 || h.get(34) != lba })
}

func functionsOf(requests []header) (all []byte) {
	for _, h := range requests {
		all = append(all, h[1]&0x7f)
	}
	return all
}

// TestLadderAbort: the first rung. The ABORT TASK names the LUN, the tag and the
// CmdSN of the command (RFC 7143, Section 11.5); the command is sent again with
// another tag.
func TestLadderAbort(t *testing.T) {
	l := newLab(t, twoLUNs, brisk)
	d := l.open(scsi.PeripheralLUN(1))
	l.OnExecute(target.Once(target.All(target.SCSI(target.OpWrite10), target.OnLUN(1))), target.Drop())
	capture := l.Capture()
	start := time.Now()
	if err := result(t, writeBlock(d, 1, 9)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Errorf("after %v", took)
	}
	capture.Stop()
	commands, requests := writes(capture, 9), sent(capture, 0x02)
	if len(commands) != 2 || len(requests) != 1 {
		t.Fatalf("%d commands, functions %v", len(commands), functionsOf(requests))
	}
	first, abort := commands[0], requests[0]
	if abort[1]&0x7f != abortTask || !abort.immediate() || [8]byte(abort[atLUN:]) != [8]byte(first[atLUN:]) ||
		abort.get(atRefTag) != first.get(atITT) || abort.get(atRefCmdSN) != first.get(atCmdSN) {
		t.Errorf("the command %x\nits abort %x", first, abort)
	}
	if commands[1].get(atITT) == first.get(atITT) {
		t.Error("the command was sent again with the same tag")
	}
	if st := l.s.Status(); st.Reconnects != 0 || d.Status().State != DiskReady {
		t.Errorf("%d reconnects", st.Reconnects)
	}
}

// failAborts makes the target leave the ABORT TASKs of LUN 1 unanswered, or refuse
// them.
var failAborts = map[string]func(l *lab){
	"unanswered": func(l *lab) { l.OnReceive(taskManagementOf(1, abortTask), target.Drop()) },
	"refused": func(l *lab) {
		l.OnReceive(taskManagementOf(1, abortTask), target.Edit(func(p *target.PDU) {
			h := header(p.Header)
			h[1] = 0x80 | 3 // CLEAR ACA, which is not supported, names no task
			h.put(atRefTag, reservedTag).put(atRefCmdSN, 0)
			p.Header = pdu.BHS(h)
		}))
	},
}

// TestLadderReset: after two aborts that fail, and not before, the logical unit is
// reset; all its commands are sent again in the order of their CmdSN, those of
// other LUNs are not touched. What the target held of the old commands is never
// executed; the last writer's data stays.
func TestLadderReset(t *testing.T) {
	for name, fail := range failAborts {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, twoLUNs, steadily)
			d := l.open(scsi.PeripheralLUN(1))
			fail(l)
			gate := target.NewGate()
			defer gate.Release()
			held := l.OnExecute(target.All(target.SCSI(target.OpWrite10), target.OnLUN(1)), target.Hold(gate))
			capture := l.Capture()
			var done []<-chan error
			order := []int64{4, 1, 8, 2}
			for i, lba := range order {
				done = append(done, writeBlock(d, uint64(lba), lba))
				if !held.Await(i+1, soon) {
					t.Fatal("no write")
				}
			}
			held.Remove()
			epoch := d.Epoch()
			stop := make(chan struct{})
			beside := async(func() error { return writeUntil(stop, l.disk, unhurt) })
			for _, c := range done {
				if err := result(t, c); err != nil {
					t.Error(err)
				}
			}
			close(stop)
			if err := result(t, beside); err != nil {
				t.Errorf("beside: %v", err)
			}
			capture.Stop()
			requests := sent(capture, 0x02)
			functions := functionsOf(requests)
			at := slices.Index(functions, lunReset)
			if at < 2 || at != len(functions)-1 {
				t.Fatalf("functions %v", functions)
			}
			if reset := requests[at]; reset.get(atRefTag) != reservedTag || reset[atLUN+1] != 1 || !reset.immediate() {
				t.Errorf("reset %x", reset)
			}
			var again []int64
			for _, h := range sent(capture, 0x01) {
				if h[32] == target.OpWrite10 && h[atLUN+1] == 1 {
					again = append(again, int64(h.get(34)))
				}
			}
			if want := append(slices.Clone(order), order...); !slices.Equal(again, want) {
				t.Errorf("writes %v, want %v", again, want)
			}
			if d.Epoch() == epoch {
				t.Error("the epoch is the same after a reset")
			}
			if err := result(t, writeBlock(d, 99, 4)); err != nil {
				t.Error(err)
			}
			gate.Release()
			for _, lba := range order {
				seed := uint64(lba)
				if lba == 4 {
					seed = 99
				}
				got := make([]byte, 512)
				if _, err := d.ReadAt(timeout(t), got, lba*512); err != nil {
					t.Error(err)
				}
				same(t, "what is read back", got, pattern(seed, 512))
			}
			if st := l.s.Status(); st.Reconnects != 0 {
				t.Errorf("%d reconnects: %v", st.Reconnects, st.Reason)
			}
		})
	}
}

// steadily has a ladder with long rungs, and unhurt is less than a command of another
// LUN would take that waits on one of them.
func steadily(_ *target.Config, c *Config) {
	c.CommandTimeout, c.AbortTimeout, c.ResetTimeout = time.Second, time.Second, time.Second
}

const unhurt = 900 * time.Millisecond

// writeUntil writes until stop is closed, and fails if any write takes longer
// than limit.
func writeUntil(stop <-chan struct{}, d *Disk, limit time.Duration) error {
	for i := 0; ; i++ {
		select {
		case <-stop:
			return nil
		default:
		}
		start := time.Now()
		if _, err := d.WriteAt(context.Background(), pattern(uint64(i), 512), 0); err != nil {
			return err
		}
		if took := time.Since(start); took > limit {
			return errors.New("a write took " + took.String())
		}
	}
}

// TestLadderDrop: the last rung. A reset that fails too ends the connection, and
// the session recovers.
func TestLadderDrop(t *testing.T) {
	l := newLab(t, twoLUNs, brisk)
	d := l.open(scsi.PeripheralLUN(1))
	silent := l.OnExecute(target.All(target.SCSI(), target.OnLUN(1)), target.Drop())
	deaf := l.OnReceive(taskManagementOf(1), target.Drop())
	capture := l.Capture()
	l.hurry()
	waiting := writeBlock(d, 1, 0)
	await(t, "a new login", func() bool { return l.s.Status().Reconnects == 1 || l.s.Status().State == Recovering })
	capture.Stop()
	if functions := functionsOf(sent(capture, 0x02)); !slices.Equal(functions, []byte{abortTask, abortTask, lunReset}) {
		t.Errorf("functions %v", functions)
	}
	if reason := l.s.Status().Reason; !errors.Is(reason, ErrTimeout) {
		t.Errorf("the connection ended with: %v", reason)
	}
	silent.Remove()
	deaf.Remove()
	if err := result(t, waiting); err != nil {
		t.Error(err)
	}
	got := make([]byte, 512)
	if _, err := d.ReadAt(timeout(t), got, 0); err != nil {
		t.Error(err)
	}
	same(t, "what is read back", got, pattern(1, 512))
}

// TestDeadLUN: one that never serves anything again costs the other LUNs one
// connection, not one after the other.
func TestDeadLUN(t *testing.T) {
	l := newLab(t, twoLUNs, brisk, func(_ *target.Config, c *Config) { c.ReplacementTimeout = 3 * time.Second })
	d := l.open(scsi.PeripheralLUN(1))
	l.OnExecute(target.All(target.SCSI(), target.OnLUN(1)), target.Drop())
	l.OnReceive(taskManagementOf(1), target.Drop())
	l.hurry()
	waiting := writeBlock(d, 1, 0)
	stop := make(chan struct{})
	beside := async(func() error { return writeUntil(stop, l.disk, soon) })
	if err := result(t, waiting); !errors.Is(err, ErrLUNLost) {
		t.Errorf("the write: %v", err)
	}
	close(stop)
	if err := result(t, beside); err != nil {
		t.Error(err)
	}
	if n := l.s.Status().Reconnects; n != 1 {
		t.Errorf("%d reconnects", n)
	}
}

// TestLadderAgain: a command that is never answered fails after
// ReplacementTimeout, and its memory is the caller's.
func TestLadderAgain(t *testing.T) {
	const limit = 700 * time.Millisecond
	l := newLab(t, brisk, func(_ *target.Config, c *Config) { c.ReplacementTimeout = limit })
	never := l.OnExecute(target.SCSI(target.OpWrite10), target.Drop())
	start := time.Now()
	err := result(t, writeBlock(l.disk, 1, 0))
	var e *Error
	if took := time.Since(start); !errors.As(err, &e) || !e.Timeout() || took < limit {
		t.Errorf("after %v: %v", took, err)
	}
	if n := never.Count(); n < 3 {
		t.Errorf("sent %d times", n)
	}
	never.Remove()
	l.write(pattern(1, 512), 0)
	if n := l.s.Status().Reconnects; n != 0 {
		t.Errorf("%d reconnects", n)
	}
}

// TestLadderForEver: not with a negative one.
func TestLadderForEver(t *testing.T) {
	l := newLab(t, brisk, func(_ *target.Config, c *Config) { c.CommandTimeout, c.ReplacementTimeout = 50*time.Millisecond, -1 })
	never := l.OnExecute(target.SCSI(target.OpWrite10), target.Drop())
	waiting := writeBlock(l.disk, 1, 0)
	if !never.Await(6, soon) {
		t.Fatal("no more attempts")
	}
	never.Remove()
	if err := result(t, waiting); err != nil {
		t.Error(err)
	}
	l.holds(pattern(1, 512), 0)
}

// TestSlowFlush: SYNCHRONIZE CACHE may take up to ReplacementTimeout, where that
// is more than FlushTimeout, while the target answers anything else.
func TestSlowFlush(t *testing.T) {
	l := newLab(t, func(_ *target.Config, c *Config) {
		c.FlushTimeout, c.NoopInterval = 200*time.Millisecond, 30*time.Millisecond
	})
	gate := target.NewGate()
	held := l.OnExecute(target.SCSI(target.OpSynchronizeCache16), target.Hold(gate))
	flushed := async(func() error { return l.disk.Sync(context.Background()) })
	if !held.Await(1, soon) {
		t.Fatal("no flush")
	}
	pings := l.s.Status().Stats.NOPIn
	await(t, "more pings than fit in the timeout", func() bool { return l.s.Status().Stats.NOPIn > pings+20 })
	gate.Release()
	if err := result(t, flushed); err != nil {
		t.Error(err)
	}
	if c := l.Counters(); len(c.TaskManagement) != 0 || held.Count() != 1 {
		t.Errorf("functions %v, flushed %d times", c.TaskManagement, held.Count())
	}
}

// TestSlowFlushEnds: but no longer.
func TestSlowFlushEnds(t *testing.T) {
	l := newLab(t, func(_ *target.Config, c *Config) {
		c.FlushTimeout, c.NoopInterval, c.ReplacementTimeout = 200*time.Millisecond, 50*time.Millisecond, 800*time.Millisecond
	})
	l.OnExecute(target.SCSI(target.OpSynchronizeCache16), target.Drop())
	start := time.Now()
	err := l.disk.Sync(timeout(t))
	if took := time.Since(start); !errors.Is(err, ErrTimeout) || took < 1600*time.Millisecond {
		t.Errorf("after %v: %v", took, err)
	}
}

// TestProgressIsLife: a read whose data trickles in is not aborted, however long
// it takes.
func TestProgressIsLife(t *testing.T) {
	p := newWirePeer(t, "")
	const limit = time.Second
	s, w := p.login(func(c *Config) { c.CommandTimeout = limit })
	g := newGuarded(4096)
	command, done := w.reading(rawDisk(s, scsi.LUN{}), g)
	data := pattern(1, 4096)
	for i := range uint32(8) {
		<-time.After(limit / 5)
		w.inform(dataIn(command, 0, i, i*512), data[i*512:(i+1)*512])
	}
	w.good(command)
	if err := result(t, done); err != nil {
		t.Error(err)
	}
	same(t, "the data", g.p, data)
	w.quiet()
}

// complete answers a task management request with Function complete.
func (w *wire) complete(request *header) {
	w.respond(newHeader(0x22, 0x80).put(atITT, request.get(atITT)), nil)
}

// TestLateDataAfterAbort: what arrives for the old tag of a command that was
// aborted and sent again does not touch its memory.
func TestLateDataAfterAbort(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login(func(c *Config) { c.CommandTimeout, c.ReplacementTimeout = time.Second, soon })
	d := rawDisk(s, scsi.LUN{})
	g := newGuarded(1024)
	old, done := w.reading(d, g)
	w.inform(dataIn(old, 0, 0, 0), pattern(9, 512))
	abort, _ := w.expect(0x02)
	w.complete(abort)
	again, _ := w.command()
	w.inform(dataIn(again, 0, 0, 0), pattern(1, 512))
	w.inform(dataIn(old, 0, 1, 512), pattern(8, 512))
	w.respond(dataIn(old, 0x81, 2, 0), pattern(7, 512))
	w.respond(dataIn(again, 0x81, 1, 512), pattern(2, 512))
	if err := result(t, done); err != nil {
		t.Fatal(err)
	}
	w.respond(dataIn(old, 0x81, 3, 0), pattern(6, 512))
	// The slot of the old tag has a third user by now.
	next := readBlock(d, 1)
	command, _ := w.command()
	w.respond(dataIn(old, 0x81, 3, 0), pattern(6, 512))
	w.serveBlock(command, make([]byte, 512))
	if err := result(t, next); err != nil {
		t.Error(err)
	}
	same(t, "the data", g.p, append(pattern(1, 512), pattern(2, 512)...))
	g.check(t)
}

// TestReset: the public form. Nothing that was sent before is executed
// afterwards, this session's commands are sent again, and the epoch changes.
func TestReset(t *testing.T) {
	l := newLab(t, twoLUNs)
	d := l.open(scsi.PeripheralLUN(1))
	gate := target.NewGate()
	defer gate.Release()
	held := l.OnExecute(target.SCSI(target.OpWrite10), target.Hold(gate))
	one, other := writeBlock(l.disk, 1, 0), writeBlock(d, 2, 0)
	if !held.Await(2, soon) {
		t.Fatal("no writes")
	}
	held.Remove()
	epoch, capture := l.disk.Epoch(), l.Capture()
	if err := l.disk.Reset(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if l.disk.Epoch() == epoch {
		t.Error("the epoch is the same")
	}
	if err := result(t, one); err != nil {
		t.Error(err)
	}
	l.write(pattern(3, 512), 0)
	pending(t, "the other LUN's write", other)
	gate.Release()
	if err := result(t, other); err != nil {
		t.Error(err)
	}
	l.holds(pattern(3, 512), 0)
	requests := sent(capture, 0x02)
	if !slices.Equal(functionsOf(requests), []byte{lunReset}) || requests[0][atLUN+1] != 0 {
		t.Errorf("functions %v", functionsOf(requests))
	}
}

// TestResetHolds: no command of the LUN is sent behind a reset that is not
// answered: nobody would know whether it was ended too. Those of others are.
func TestResetHolds(t *testing.T) {
	l := newLab(t, twoLUNs)
	d := l.open(scsi.PeripheralLUN(1))
	gate := target.NewGate()
	held := l.OnSend(target.Opcode(pdu.OpTaskMgmtResp), target.Hold(gate))
	reset := async(func() error { return l.disk.Reset(context.Background()) })
	if !held.Await(1, soon) {
		t.Fatal("no reset")
	}
	capture := l.Capture()
	done := writeBlock(l.disk, 1, 0)
	await(t, "a write that waits", func() bool { return l.disk.Status().Waiting == 1 })
	if err := result(t, writeBlock(d, 2, 0)); err != nil {
		t.Error(err)
	}
	if n := len(sent(capture, 0x01)); n != 1 {
		t.Errorf("%d commands, want that of the other LUN", n)
	}
	gate.Release()
	for _, c := range []<-chan error{reset, done} {
		if err := result(t, c); err != nil {
			t.Error(err)
		}
	}
	l.holds(pattern(1, 512), 0)
}

// TestResetFails: a reset that is not answered, or refused, changes nothing.
func TestResetFails(t *testing.T) {
	for name, rule := range map[string]func(l *lab) *target.Rule{
		"unanswered": func(l *lab) *target.Rule {
			return l.OnReceive(target.Opcode(pdu.OpTaskMgmtReq), target.Drop())
		},
		"refused": func(l *lab) *target.Rule {
			return l.OnSend(target.Opcode(pdu.OpTaskMgmtResp), target.Edit(func(p *target.PDU) { p.Header[2] = 5 }))
		},
	} {
		l := newLab(t, func(_ *target.Config, c *Config) { c.ResetTimeout = 50 * time.Millisecond })
		r := rule(l)
		if err := l.disk.Reset(timeout(t)); err == nil {
			t.Errorf("%s: the reset succeeds", name)
		}
		r.Remove()
		l.write(pattern(1, 512), 0)
		if l.disk.Status().State != DiskReady || l.s.Status().Reconnects != 0 {
			t.Errorf("%s: %+v", name, l.disk.Status())
		}
	}
}

// TestForeignReset: commands that another initiator's reset has ended without a
// word are sent again as soon as the logical unit reports it, not when their time
// is over. Where they cannot be aborted, that is no reason for a reset of our own.
func TestForeignReset(t *testing.T) {
	for name, answered := range map[string]bool{"aborts answered": true, "aborts unanswered": false} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(_ *target.Config, c *Config) { c.CommandTimeout, c.AbortTimeout = soon/2, 50*time.Millisecond })
			held := l.OnExecute(target.SCSI(target.OpWrite10, target.OpSynchronizeCache16), target.Drop())
			done := []<-chan error{writeBlock(l.disk, 1, 0), async(func() error { return l.disk.Sync(context.Background()) })}
			if !held.Await(2, soon) {
				t.Fatal("no commands")
			}
			held.Remove()
			cfg := l.cfg
			cfg.ISID[5]++
			other, err := Login(context.Background(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close()
			d, err := other.OpenDisk(timeout(t), scsi.LUN{})
			if err != nil {
				t.Fatal(err)
			}
			if err := d.Reset(timeout(t)); err != nil {
				t.Fatal(err)
			}
			capture := l.Capture()
			if !answered {
				l.OnReceive(taskManagementOf(0, abortTask), target.Drop())
			}
			start := time.Now()
			l.read(512, 0)
			if answered {
				for _, c := range done {
					if err := result(t, c); err != nil {
						t.Error(err)
					}
				}
				if took := time.Since(start); took > soon/4 {
					t.Errorf("after %v", took)
				}
				l.holds(pattern(1, 512), 0)
			}
			await(t, "the end of the aborts", func() bool {
				l.s.mu.Lock()
				defer l.s.mu.Unlock()
				return len(l.s.rescues) == 0
			})
			if functions := functionsOf(sent(capture, 0x02)); !slices.Equal(functions, []byte{abortTask, abortTask}) {
				t.Errorf("functions %v", functions)
			}
		})
	}
}

// TestForgottenReset: a reset that the target forgets to answer is sent again, well
// before it counts as refused.
func TestForgottenReset(t *testing.T) {
	l := newLab(t, func(_ *target.Config, c *Config) { c.CommandTimeout, c.ResetTimeout = time.Minute, time.Minute })
	forgotten := l.OnReceive(target.Once(taskManagementOf(0, lunReset)), target.Drop())
	if err := l.disk.Reset(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if forgotten.Count() != 1 {
		t.Error("nothing was forgotten")
	}
	l.write(pattern(1, 512), 0)
	if n := l.s.Status().Reconnects; n != 0 {
		t.Errorf("%d reconnects", n)
	}
}
