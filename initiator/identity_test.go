package initiator

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// swap puts another logical unit behind LUN 0 while the connection is down.
func (l *lab) swap(other *target.LUN) {
	l.t.Helper()
	l.whileDown(func() {
		l.RemoveLUN(0)
		if err := l.AddLUN(0, other); err != nil {
			l.t.Fatal(err)
		}
	})
}

// untouched makes sure that a medium holds nothing but zeroes.
func untouched(t *testing.T, lun *target.LUN) {
	t.Helper()
	all := make([]byte, lun.Size())
	if _, err := lun.ReadAt(all, 0); err != nil {
		t.Fatal(err)
	}
	for i, b := range all {
		if b != 0 {
			t.Fatalf("byte %d of another disk was written", i)
		}
	}
}

func otherDisk(size int64, options ...target.Option) *target.LUN {
	return target.NewMemoryLUN(size, 512, append([]target.Option{target.NAA("6000000000000000000000000000beef")}, options...)...)
}

// TestIdentity: after a new login the LUN is compared with what it was, by VPD
// page 83h, before one byte is written. Here writes wait in every place where one
// can: unanswered, queued, for a token, in the pause of a BUSY, and with most of
// a long access still to be begun.
func TestIdentity(t *testing.T) {
	l := newLab(t, func(tc *target.Config, c *Config) { c.QueueDepth = 4 })
	busy := l.OnExecute(target.All(target.SCSI(target.OpWrite10), target.AtLBA(0)),
		target.AnswerWith(target.Answer{Status: byte(scsi.Busy)}))
	dropped := l.OnExecute(target.All(target.SCSI(target.OpWrite10), target.Not(target.AtLBA(0))), target.Drop())
	other := otherDisk(8 << 20)

	ctx := timeout(t)
	var done []<-chan error
	begin := func(n int, off int64) {
		done = append(done, async(func() error {
			_, err := l.disk.WriteAt(ctx, pattern(1, n), off)
			return err
		}))
	}
	begin(512, 0) // BUSY
	if !busy.Await(1, soon) {
		t.Fatal("no write")
	}
	for i := range int64(8) {
		begin(512, 512*(i+1)) // three in flight, five wait for a token
	}
	begin(8<<20-1<<20, 1<<20) // 14 commands
	if !dropped.Await(3, soon) {
		t.Fatal("no writes")
	}
	busy.Remove()
	dropped.Remove()
	l.swap(other)
	for _, d := range done {
		if err := result(t, d); !errors.Is(err, ErrIdentity) {
			t.Errorf("a write ended with: %v", err)
		}
	}
	l.awaitReconnect(1)
	for name, use := range map[string]func() error{
		"read":  func() error { _, err := l.disk.ReadAt(ctx, make([]byte, 512), 0); return err },
		"write": func() error { _, err := l.disk.WriteAt(ctx, make([]byte, 512), 0); return err },
		"sync":  func() error { return l.disk.Sync(ctx) },
	} {
		if err := use(); !errors.Is(err, ErrIdentity) {
			t.Errorf("%s: %v", name, err)
		}
	}
	untouched(t, other)
}

// TestIdentityOfOthers: what a new login finds behind the number, and whether it
// is taken for the same disk.
func TestIdentityOfOthers(t *testing.T) {
	const size = 8 << 20
	local, nobody := target.NAA("3000000000010001"), target.NAA("60000000000000000e00000000010001")
	registered := target.NAA("60014050000000000000000000000001")
	for name, c := range map[string]struct {
		was, is *target.LUN
		want    error
	}{
		"same designator":     {otherDisk(size), otherDisk(size), nil},
		"grown":               {otherDisk(size), otherDisk(2 * size), nil},
		"shrunk":              {otherDisk(size), otherDisk(size / 2), ErrShrunk},
		"other block size":    {otherDisk(size), target.NewMemoryLUN(size, 4096, target.NAA("6000000000000000000000000000beef")), ErrIdentity},
		"other designator":    {otherDisk(size), otherDisk(size, target.NAA("6000000000000000000000000000dead")), ErrIdentity},
		"designator vanished": {otherDisk(size), otherDisk(size, target.NAA("-"), target.Identity("A", "B", "C")), ErrIdentity},
		// What tgt makes of the numbers of target and LUN, others have too.
		"local designator":                      {otherDisk(size, local), otherDisk(size, local), nil},
		"local designator, other serial number": {otherDisk(size, local), otherDisk(size, local, target.Identity("A", "B", "C")), ErrIdentity},
		"company 000000h, other serial number":  {otherDisk(size, nobody), otherDisk(size, nobody, target.Identity("A", "B", "C")), ErrIdentity},
		"the same, named anew":                  {otherDisk(size, registered, target.Identity("A", "B", "C")), otherDisk(size, registered, target.Identity("D", "E", "F")), nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, func(tc *target.Config, _ *Config) { tc.LUNs = []*target.LUN{c.was} })
			data := pattern(3, 512)
			l.write(data, 0)
			epoch := l.disk.Epoch()
			l.swap(c.is)
			l.awaitReconnect(1)
			_, err := l.disk.WriteAt(timeout(t), data, 4096)
			if !errors.Is(err, c.want) {
				t.Errorf("the next write: %v", err)
			}
			if c.want != nil {
				untouched(t, c.is)
				return
			}
			if l.disk.Epoch() == epoch {
				t.Error("the epoch is the same after a new login")
			}
			if l.disk.Size() != c.is.Size() {
				t.Errorf("size %d, want %d", l.disk.Size(), c.is.Size())
			}
		})
	}
}

// TestIdentityComesBack: a disk that was another for a while is used again when
// it is itself again.
func TestIdentityComesBack(t *testing.T) {
	l := newLab(t)
	l.swap(otherDisk(8 << 20))
	l.awaitReconnect(1)
	if _, err := l.disk.ReadAt(context.Background(), make([]byte, 512), 0); !errors.Is(err, ErrIdentity) {
		t.Fatalf("the other disk: %v", err)
	}
	l.swap(l.lun)
	l.awaitReconnect(2)
	data := pattern(5, 512)
	l.write(data, 512)
	l.holds(data, 512)
}

// TestIdentityOfOneLUN: a LUN that is another does not keep those beside it
// from going on.
func TestIdentityOfOneLUN(t *testing.T) {
	second := target.NewMemoryLUN(1<<20, 512)
	l := newLab(t, func(tc *target.Config, _ *Config) { tc.LUNs = append(tc.LUNs, second) })
	d := l.open(scsi.PeripheralLUN(1))
	start := time.Now()
	l.swap(otherDisk(8 << 20))
	data := pattern(2, 4096)
	if _, err := d.WriteAt(timeout(t), data, 0); err != nil {
		t.Fatal(err)
	}
	if time.Since(start) > soon/2 {
		t.Error("the other LUN was held up")
	}
	got := make([]byte, 4096)
	second.ReadAt(got, 0)
	same(t, "the medium", got, data)
}

// TestShrunkGrowsAgain: a disk that has become smaller, and is then given its size
// back, is used again in the same session, without a word of its user; a question
// that merely fails meanwhile changes nothing.
func TestShrunkGrowsAgain(t *testing.T) {
	for name, shrink := range map[string]func(l *lab){
		"noticed by a unit attention": func(l *lab) { _, _ = l.disk.ReadAt(timeout(l.t), make([]byte, 512), 0) },
		"noticed by Refresh":          func(l *lab) { _ = l.disk.Refresh(timeout(l.t)) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			if err := l.lun.SetSize(4 << 20); err != nil {
				t.Fatal(err)
			}
			shrink(l)
			awaitDisk(t, l.disk, DiskRefused)
			broken := l.OnExecute(target.SCSI(target.OpInquiry), target.AnswerWith(target.CheckCondition(4, 0x44, 0)))
			if !broken.Await(3, soon) {
				t.Fatal("the disk is not asked again")
			}
			if st := l.disk.Status(); st.State != DiskRefused || !errors.Is(st.Reason, ErrShrunk) {
				t.Errorf("after a question that failed: %v, %v", st.State, st.Reason)
			}
			broken.Remove()
			if err := l.lun.SetSize(8 << 20); err != nil {
				t.Fatal(err)
			}
			awaitDisk(t, l.disk, DiskReady)
			data := pattern(1, 512)
			l.write(data, 8<<20-512)
			l.holds(data, 8<<20-512)
			if n := l.s.Status().Reconnects; n != 0 {
				t.Errorf("%d new logins", n)
			}
		})
	}
}

// TestSerialToldLater: a disk whose serial number could not be read at first is the same
// when it can be; from then on it counts.
func TestSerialToldLater(t *testing.T) {
	const size = 8 << 20
	local := target.NAA("3000000000010001")
	l := newTargetLab(t, func(tc *target.Config, _ *Config) { tc.LUNs = []*target.LUN{otherDisk(size, local)} })
	serial := func(e *target.Event) bool { return e.CDB[1] == 1 && e.CDB[2] == byte(scsi.VPDUnitSerial) }
	broken := l.OnExecute(target.All(target.SCSI(target.OpInquiry), serial), target.AnswerWith(target.CheckCondition(4, 0x44, 0)))
	l.login()
	l.disk = l.open(scsi.LUN{})
	broken.Remove()
	if err := l.disk.Refresh(timeout(t)); err != nil {
		t.Fatal(err)
	}
	l.write(pattern(1, 512), 0)
	l.swap(otherDisk(size, local, target.Identity("A", "B", "C")))
	l.awaitReconnect(1)
	if err := result(t, writeBlock(l.disk, 1, 0)); !errors.Is(err, ErrIdentity) {
		t.Errorf("a write to another disk: %v", err)
	}
}
