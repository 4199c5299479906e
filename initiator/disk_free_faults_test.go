package initiator

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/integration/target"
)

// erasing are the commands that zero and free.
var erasing = target.SCSI(target.OpUnmap, target.OpWriteSame10, target.OpWriteSame16, target.OpWrite10)

// erasers are the accesses that change the medium without a caller's data, of a LUN
// that takes them in small pieces.
var erasers = map[string]struct {
	options []target.Option
	erase   func(d *Disk, ctx context.Context, off, n int64) error
}{
	"zero by WRITE SAME": {nil, (*Disk).Zero},
	"zero by writes":     {[]target.Option{target.Unknown(target.OpWriteSame10, target.OpWriteSame16)}, (*Disk).Zero},
	"free by WRITE SAME": {[]target.Option{target.FreedBy(target.OpWriteSame16)}, (*Disk).Deallocate},
	"free by UNMAP":      {[]target.Option{target.FreedBy(target.OpUnmap), target.Ignoring(target.IgnoreOdd)}, (*Disk).Deallocate},
}

func smallPieces(options []target.Option) []target.Option {
	limits := target.BlockLimits{MaxTransfer: 512, MaxUnmap: 512, MaxUnmapDescriptors: 1, MaxWriteSame: 512, UnmapGranularity: 64}
	return append([]target.Option{target.Limits(limits)}, options...)
}

// TestEraseAcrossCuts: a connection that ends, before or after the target has carried
// out any of the commands, fails nothing and changes nothing else.
func TestEraseAcrossCuts(t *testing.T) {
	for name, c := range erasers {
		for _, cut := range []target.Action{target.CutBefore(), target.CutAfter()} {
			t.Run(name, func(t *testing.T) {
				l, content := newThinLab(t, smallPieces(c.options)...)
				for round := range 4 {
					l.hurry()
					at := l.OnExecute(target.Nth(int64(2*round+1), erasing), cut)
					off := int64(round)<<21 + 512
					if err := c.erase(l.disk, timeout(t), off, 1<<21-1024); err != nil {
						t.Fatal(err)
					}
					at.Remove()
					clear(content[off : off+1<<21-1024])
					l.holds(content, 0)
					l.awaitReconnect(round + 1)
				}
			})
		}
	}
}

// TestEraseGhost: what a lost connection left with the target, a WRITE SAME without
// data too, does not undo a later write.
func TestEraseGhost(t *testing.T) {
	for name, c := range erasers {
		t.Run(name, func(t *testing.T) {
			l, _ := newThinLab(t, smallPieces(c.options)...)
			if err := c.erase(l.disk, timeout(t), 4<<20, 1<<20); err != nil { // its way is known now
				t.Fatal(err)
			}
			gate := target.NewGate()
			held := l.OnExecute(erasing, target.Hold(gate))
			done := async(func() error { return c.erase(l.disk, context.Background(), 0, 32<<10) })
			if !held.Await(1, soon) {
				t.Fatal("no command")
			}
			held.Remove()
			l.hurry()
			l.CutConnections()
			if err := result(t, done); err != nil {
				t.Fatal(err)
			}
			l.write(pattern(2, 32<<10), 0)
			gate.Release()
			l.holds(pattern(2, 32<<10), 0)
			if got := l.Counters().TaskManagement; !slices.Contains(got, pdu.LogicalUnitReset) {
				t.Errorf("task management: %v", got)
			}
		})
	}
}

// TestEraseIsSlow: WRITE SAME and UNMAP may take as long as a SYNCHRONIZE CACHE.
func TestEraseIsSlow(t *testing.T) {
	for name, c := range erasers {
		if name == "zero by writes" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			lun := target.NewMemoryLUN(8<<20, 512, append([]target.Option{target.Thin()}, smallPieces(c.options)...)...)
			l := newLab(t, func(tc *target.Config, cfg *Config) {
				tc.LUNs = []*target.LUN{lun}
				cfg.CommandTimeout, cfg.FlushTimeout, cfg.NoopInterval = 150*time.Millisecond, 200*time.Millisecond, 30*time.Millisecond
			})
			gate := target.NewGate()
			held := l.OnExecute(target.SCSI(target.OpUnmap, target.OpWriteSame16), target.Hold(gate))
			done := async(func() error { return c.erase(l.disk, context.Background(), 0, 32<<10) })
			if !held.Await(1, soon) {
				t.Fatal("no command")
			}
			pings := l.s.Status().Stats.NOPIn
			await(t, "more pings than fit in the timeouts", func() bool { return l.s.Status().Stats.NOPIn > pings+20 })
			held.Remove()
			gate.Release()
			if err := result(t, done); err != nil {
				t.Error(err)
			}
			if got := l.Counters().TaskManagement; len(got) != 0 || held.Count() != 1 {
				t.Errorf("functions %v, sent %d times", got, held.Count())
			}
		})
	}
}

// TestEraseWithoutReservation: a host whose reservation is lost zeroes and frees
// nothing, whether that shows before or by the command.
func TestEraseWithoutReservation(t *testing.T) {
	for name, c := range erasers {
		t.Run(name, func(t *testing.T) {
			l := reservedLab(t, append([]target.Option{target.Thin()}, smallPieces(c.options)...)...)
			content := pattern(1, 1<<20)
			l.fill(content, 0)
			l.reserve(l.other(":b", 1), theirKey, ourKey)
			for range 2 {
				wantLost(t, "the access", c.erase(l.disk, timeout(t), 0, 1<<20))
			}
			l.holds(content, 0)
		})
	}
}

// TestEraseGivenUp: who gives up hears of it when the target carries out no more.
func TestEraseGivenUp(t *testing.T) {
	for name, c := range erasers {
		t.Run(name, func(t *testing.T) {
			l, content := newThinLab(t, smallPieces(c.options)...)
			gate := target.NewGate()
			held := l.OnExecute(erasing, target.Hold(gate))
			ctx, cancel := context.WithCancel(context.Background())
			done := async(func() error { return c.erase(l.disk, ctx, 0, 1<<20) })
			if !held.Await(1, soon) {
				t.Fatal("no command")
			}
			cancel()
			if err := result(t, done); err == nil {
				t.Error("no error")
			}
			gate.Release()
			l.holds(content, 0)
		})
	}
}

// TestUnitErase: a unit goes on by another path, what the lost one left with the target
// is ended first, and Sync waits.
func TestUnitErase(t *testing.T) {
	for name, erase := range map[string]func(*Unit, int64, int64) error{
		"zero": func(u *Unit, off, n int64) error { return u.Zero(context.Background(), off, n) },
		"free": func(u *Unit, off, n int64) error { return u.Deallocate(context.Background(), off, n) },
	} {
		t.Run(name, func(t *testing.T) {
			lun := target.NewMemoryLUN(8<<20, 512, target.Thin(), target.NAA("60014050000000010000000000000001"))
			l := newPathsLab(t, 2, func(tc *target.Config, _ *Config) { tc.LUNs = []*target.LUN{lun} })
			l.lun = lun
			content := pattern(1, 8<<20)
			if _, err := lun.WriteAt(content, 0); err != nil {
				t.Fatal(err)
			}
			gate := target.NewGate()
			held := l.OnExecute(target.Once(erasing), target.Hold(gate))
			done := async(func() error { return erase(l.u, 1<<20, 4<<20) })
			if !held.Await(1, soon) {
				t.Fatal("no command")
			}
			synced := async(func() error { return l.u.Sync(context.Background()) })
			for group, n := range l.byPortal(target.OpWriteSame16) {
				if n > 0 {
					if err := l.portals[group-1].Cut(); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := result(t, done); err != nil {
				t.Fatal(err)
			}
			if err := result(t, synced); err != nil {
				t.Fatal(err)
			}
			l.write(pattern(2, 4096), 1<<20)
			gate.Release()
			clear(content[1<<20 : 5<<20])
			copy(content[1<<20:], pattern(2, 4096))
			l.holds(content, 0)
			if l.resets() == 0 {
				t.Error("nothing has ended what the lost path left")
			}
			cmds := l.Commands()
			last := func(ops ...byte) int {
				for i, c := range slices.Backward(cmds) {
					if slices.Contains(ops, c.Opcode) {
						return i
					}
				}
				return -1
			}
			if flush, erased := last(target.OpSynchronizeCache16), last(target.OpWriteSame16); flush < erased {
				t.Error("SYNCHRONIZE CACHE went out before the range was done")
			}
			n, hole, err := l.u.Allocation(timeout(t), 2<<20)
			if hole != (name == "free") || n <= 0 || err != nil {
				t.Errorf("Allocation: %d, %v, %v", n, hole, err)
			}
			if !l.u.Thin() {
				t.Error("not thin")
			}
		})
	}
}

// TestWaysAreForgotten: a target that says it is another, after an update, is asked
// in all ways again.
func TestWaysAreForgotten(t *testing.T) {
	l, content := newThinLab(t)
	l.lun.SetRevision("1")
	unknown := l.OnExecute(target.SCSI(target.OpWriteSame16, target.OpWriteSame10), answerOpcode)
	for range 2 {
		after := len(l.Commands())
		if err := l.disk.Zero(timeout(t), 0, 64<<10); err != nil {
			t.Fatal(err)
		}
		clear(content[:64<<10])
		l.holds(content, 0)
		if got := l.changing(after); got != "S16N S16 S10 write" && got != "write" {
			t.Errorf("sent %q", got)
		}
	}
	unknown.Remove()
	l.lun.SetRevision("2")
	l.read(512, 0)
	await(t, "the new revision", func() bool { return l.disk.Info().Inquiry.Revision == "2" })
	after := len(l.Commands())
	if err := l.disk.Zero(timeout(t), 64<<10, 64<<10); err != nil {
		t.Fatal(err)
	}
	if got := l.changing(after); got != "S16N" {
		t.Errorf("sent %q", got)
	}
}
