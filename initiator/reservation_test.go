package initiator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// Keys of the two hosts of a test.
const (
	ourKey   = 0xa11ce
	theirKey = 0xb0b
)

// optionLab is newLab with options of LUN 0.
func optionLab(t *testing.T, options ...target.Option) *lab {
	t.Helper()
	lun := target.NewMemoryLUN(8<<20, 512, options...)
	l := newLab(t, func(tc *target.Config, c *Config) { tc.LUNs[0], c.QueueDepth = lun, 4 })
	l.lun = lun
	return l
}

// reservedLab is optionLab with LUN 0 reserved for ourKey.
func reservedLab(t *testing.T, options ...target.Option) *lab {
	t.Helper()
	l := optionLab(t, options...)
	l.reserve(l.disk, ourKey, 0)
	return l
}

func (l *lab) reserve(d *Disk, key, preempt uint64) {
	l.t.Helper()
	if err := d.Reserve(timeout(l.t), key, preempt); err != nil {
		l.t.Fatal(err)
	}
}

// other logs in as another host and opens LUN 0.
func (l *lab) other(name string, isid byte) *Disk {
	l.t.Helper()
	cfg := l.cfg
	cfg.InitiatorName += name
	cfg.ISID[5] += isid
	s, err := Login(context.Background(), cfg)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { s.Close() })
	d, err := s.OpenDisk(timeout(l.t), scsi.LUN{})
	if err != nil {
		l.t.Fatal(err)
	}
	return d
}

// wantReserved checks who has the LUN, at the target.
func (l *lab) wantReserved(key uint64) {
	l.t.Helper()
	r := l.lun.Reservation()
	want := byte(5)
	if key == 0 {
		want = 0
	}
	if r.Type != want || r.Key != key {
		l.t.Errorf("the target has %+v, want the key %#x", r, key)
	}
}

func writeTo(t *testing.T, d *Disk, seed uint64, off int64) error {
	t.Helper()
	_, err := d.WriteAt(timeout(t), pattern(seed, 512), off)
	return err
}

// wantLost checks an error of a write after the reservation was lost.
func wantLost(t *testing.T, what string, err error) {
	t.Helper()
	var e *Error
	if !errors.Is(err, ErrReservationLost) || !errors.As(err, &e) || e.Errno() != syscall.EBADE {
		t.Errorf("%s: %v, want ErrReservationLost, EBADE", what, err)
	}
}

func (l *lab) awaitLost(d *Disk) {
	l.t.Helper()
	await(l.t, "loss of the reservation", func() bool { return d.Reservation().Lost != nil })
}

// outs lists the service actions of PERSISTENT RESERVE OUT that came so far.
func (l *lab) outs() (list []byte) {
	for _, c := range l.Commands() {
		if c.Opcode == target.OpPersistentReserveOut {
			list = append(list, c.CDB[1])
		}
	}
	return list
}

func (l *lab) writes(initiator string) (n int) {
	for _, c := range l.Commands() {
		if (c.Opcode == target.OpWrite10 || c.Opcode == target.OpWrite16) && c.Initiator == initiator {
			n++
		}
	}
	return n
}

// reserveOut matches the service actions of PERSISTENT RESERVE OUT.
func reserveOut(action byte) target.Match {
	return target.All(target.SCSI(target.OpPersistentReserveOut), func(e *target.Event) bool { return e.CDB[1] == action })
}

func TestReservationKey(t *testing.T) {
	a, b := ReservationKey("iqn.2026-11.org.example:a"), ReservationKey("iqn.2026-11.org.example:b")
	if a == b || b == 0 {
		t.Errorf("keys %#x and %#x", a, b)
	}
	// Written down, so that no later version forgets what an earlier one holds.
	if want := uint64(0xb080794a05f9a11c); a != want {
		t.Errorf("the key is %#x, want %#x", a, want)
	}
}

// TestReserve: the LUN is this host's alone: others may read it.
func TestReserve(t *testing.T) {
	l := reservedLab(t)
	l.wantReserved(ourKey)
	if r := l.disk.Reservation(); r != (Reservation{Key: ourKey}) {
		t.Errorf("%+v", r)
	}
	l.write(pattern(1, 512), 0)
	other := l.other("2", 1)
	var e *Error
	if err := writeTo(t, other, 2, 0); !errors.As(err, &e) || e.Status != scsi.ReservationConflict || e.Errno() != syscall.EBADE {
		t.Errorf("another host's write: %v", err)
	}
	if _, err := other.ReadAt(timeout(t), make([]byte, 512), 0); err != nil {
		t.Errorf("another host's read: %v", err)
	}
	l.holds(pattern(1, 512), 0)
	l.reserve(l.disk, ourKey, 0) // again
	if err := l.disk.Release(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if r := l.lun.Reservation(); r.Type != 0 || len(r.Keys) != 0 {
		t.Errorf("left at the target: %+v", r)
	}
	if err := writeTo(t, other, 2, 0); err != nil {
		t.Errorf("another host's write after the release: %v", err)
	}
}

// TestReserveRefused: what another host holds is left as it is.
func TestReserveRefused(t *testing.T) {
	for _, preempt := range []uint64{0, 0xdead} {
		l := newLab(t)
		other := l.other("2", 1)
		l.reserve(other, theirKey, 0)
		before := l.lun.Reservation()
		err := l.disk.Reserve(timeout(t), ourKey, preempt)
		var by *ReservedError
		if !errors.As(err, &by) || by.By.Key != theirKey || by.By.Type != scsi.WriteExclusiveRegistrantsOnly {
			t.Errorf("%v", err)
		}
		if text := fmt.Sprint(err); !strings.Contains(text, "key 0x0000000000000b0b, type Write Exclusive – Registrants Only (5h)") {
			t.Errorf("the error does not name holder and type: %s", text)
		}
		if after := l.lun.Reservation(); after.Generation != before.Generation {
			t.Errorf("changed at the target: %+v, before %+v", after, before)
		}
		if r := l.disk.Reservation(); r.Key != 0 {
			t.Errorf("%+v", r)
		}
	}
}

// TestReserveRace: another host reserves between the look and the RESERVE; what was
// registered is taken back.
func TestReserveRace(t *testing.T) {
	l := newLab(t)
	other := l.other("2", 1)
	gate := target.NewGate()
	held := l.OnReceive(target.All(reserveOutPDU(byte(scsi.Reserve)), target.Of(l.cfg.InitiatorName)), target.Hold(gate))
	done := async(func() error { return l.disk.Reserve(timeout(t), ourKey, 0) })
	if !held.Await(1, soon) {
		t.Fatal("no RESERVE")
	}
	l.reserve(other, theirKey, 0)
	held.Remove()
	gate.Release()
	var by *ReservedError
	if err := result(t, done); !errors.As(err, &by) || by.By.Key != theirKey {
		t.Errorf("%v", err)
	}
	if keys := l.lun.Reservation().Keys; len(keys) != 1 || keys[0] != theirKey {
		t.Errorf("registered: %#x", keys)
	}
}

// reserveOutPDU is reserveOut for PDUs that arrive.
func reserveOutPDU(action byte) target.Match {
	return func(e *target.Event) bool {
		return e.PDU.Header[0]&0x3f == 0x01 && e.PDU.Header[32] == target.OpPersistentReserveOut && e.PDU.Header[33] == action
	}
}

// TestPreempted: the other host takes over with our key; nothing of ours is written
// from then on, until it lets go and Reserve is called again.
func TestPreempted(t *testing.T) {
	for name, options := range map[string][]target.Option{"and abort": nil, "only": {target.WithoutPreemptAndAbort()}} {
		t.Run(name, func(t *testing.T) {
			l := reservedLab(t, options...)
			l.write(pattern(1, 512), 0)
			other := l.other("2", 1)
			l.reserve(other, theirKey, ourKey)
			l.wantReserved(theirKey)
			if !other.Info().Mode.CachingPage {
				t.Error("the caching page that the reservation kept back was not asked for again")
			}

			wantLost(t, "write", writeTo(t, l.disk, 9, 0))
			wantLost(t, "write again", writeTo(t, l.disk, 9, 0))
			wantLost(t, "sync", l.disk.Sync(timeout(t)))
			wantLost(t, "status", l.disk.Reservation().Lost)
			l.read(512, 0)
			if err := writeTo(t, other, 2, 512); err != nil {
				t.Fatal(err)
			}
			l.holds(pattern(1, 512), 0)

			var by *ReservedError
			if err := l.disk.Reserve(timeout(t), ourKey, 0); !errors.As(err, &by) {
				t.Errorf("while the other host holds it: %v", err)
			}
			wantLost(t, "write after a refusal", writeTo(t, l.disk, 9, 0))
			if err := other.Release(timeout(t)); err != nil {
				t.Fatal(err)
			}
			epoch := l.disk.Epoch()
			l.reserve(l.disk, ourKey, 0)
			l.wantReserved(ourKey)
			if l.disk.Epoch() == epoch {
				t.Error("what the other host may have written over counts as written")
			}
			l.write(pattern(3, 512), 0)
			l.holds(pattern(3, 512), 0)
		})
	}
}

// TestPreemptedIsNoticed: the unit attention of a read is enough to find out.
func TestPreemptedIsNoticed(t *testing.T) {
	l := reservedLab(t)
	l.reserve(l.other("2", 1), theirKey, ourKey)
	l.read(512, 0)
	l.awaitLost(l.disk)
	n := l.writes(l.cfg.InitiatorName)
	wantLost(t, "write", writeTo(t, l.disk, 9, 0))
	if l.writes(l.cfg.InitiatorName) != n {
		t.Error("a write was sent all the same")
	}
}

// TestPreemptedForAWhile: the other host took over, wrote, and let go again, all of which
// only a unit attention tells. The write that gets it is not repeated: nothing would keep
// it from what the other host wrote.
func TestPreemptedForAWhile(t *testing.T) {
	l := reservedLab(t)
	other := l.other("2", 1)
	l.reserve(other, theirKey, ourKey)
	if err := writeTo(t, other, 2, 0); err != nil {
		t.Fatal(err)
	}
	if err := other.Release(timeout(t)); err != nil {
		t.Fatal(err)
	}
	wantLost(t, "write", writeTo(t, l.disk, 9, 0))
	l.holds(pattern(2, 512), 0)
}

// TestPreemptedWhileProven: nor is one that waits for the proof, where the other host comes
// while the last of it is asked for.
func TestPreemptedWhileProven(t *testing.T) {
	l := reservedLab(t)
	other := l.other("2", 1)
	gate := target.NewGate()
	defer gate.Release()
	held := l.OnReceive(target.Between(2, 2, target.All(target.SCSI(target.OpModeSense6), target.Of(l.cfg.InitiatorName))), target.Hold(gate))
	l.lun.QueueUnitAttention(0x2a, 0x03)
	waiting := writeBlock(l.disk, 9, 0)
	if !held.Await(1, soon) {
		t.Fatal("no MODE SENSE as one who is registered")
	}
	l.reserve(other, theirKey, ourKey)
	if err := writeTo(t, other, 2, 0); err != nil {
		t.Fatal(err)
	}
	if err := other.Release(timeout(t)); err != nil {
		t.Fatal(err)
	}
	gate.Release()
	wantLost(t, "write", result(t, waiting))
	l.holds(pattern(2, 512), 0)
}

// TestFalseAlarm: a unit attention about reservations is a reason to look, not a
// loss.
func TestFalseAlarm(t *testing.T) {
	l := reservedLab(t)
	checks := l.OnExecute(target.SCSI(target.OpPersistentReserveIn), target.Pass())
	for _, qualifier := range []byte{3, 4, 5} {
		l.lun.QueueUnitAttention(0x2a, qualifier)
		n := checks.Count()
		l.write(pattern(uint64(qualifier), 512), 0)
		if !checks.Await(n+2, soon) {
			t.Errorf("2A/%02X causes no check", qualifier)
		}
	}
	l.write(pattern(8, 512), 0)
	if r := l.disk.Reservation(); r.Lost != nil {
		t.Error(r.Lost)
	}
}

// TestReservationSurvives: a lost connection costs nothing, and a loss of power
// nothing that APTPL protects.
func TestReservationSurvives(t *testing.T) {
	l := reservedLab(t)
	for i, harm := range []func(){l.CutConnections, func() { l.PowerCut() }} {
		l.hurry()
		harm()
		l.awaitReconnect(i + 1)
		l.write(pattern(uint64(i), 512), 0)
		l.wantReserved(ourKey)
	}
}

// TestCheckedBeforeWrites: what waits for the session to come back is written when
// the reservation is proven unbroken, and not before.
func TestCheckedBeforeWrites(t *testing.T) {
	l := reservedLab(t)
	var done <-chan error
	var before int
	l.whileDown(func() {
		before = len(l.Commands())
		done = async(func() error { return writeTo(t, l.disk, 1, 0) })
		await(t, "a write that waits", func() bool { return l.s.Status().Waiting == 1 })
	})
	if err := result(t, done); err != nil {
		t.Fatal(err)
	}
	var keys, holder bool
	for _, c := range l.Commands()[before:] {
		switch {
		case c.Opcode == target.OpPersistentReserveIn:
			keys, holder = keys || c.CDB[1] == 0, holder || c.CDB[1] == 1
		case c.Opcode == target.OpWrite10 && !(keys && holder):
			t.Fatal("a write before READ KEYS and READ RESERVATION")
		}
	}
}

// TestLostWhileDown: the other host took over while the session was down: the
// writes that waited end, and none is sent.
func TestLostWhileDown(t *testing.T) {
	for name, c := range map[string]struct {
		options []target.Option
		harm    func(l *lab)
	}{
		"preempted":     {nil, func(l *lab) { l.reserve(l.other("2", 1), theirKey, ourKey) }},
		"without APTPL": {[]target.Option{target.WithoutAPTPL()}, func(l *lab) { l.lun.PowerCut() }},
		"taken and given": {nil, func(l *lab) {
			d := l.other("2", 1)
			l.reserve(d, theirKey, ourKey)
			if err := d.Release(timeout(l.t)); err != nil {
				l.t.Error(err)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := reservedLab(t, c.options...)
			if volatile := l.disk.Reservation().Volatile; volatile != (c.options != nil) {
				t.Errorf("volatile: %v", volatile)
			}
			gate := target.NewGate()
			defer gate.Release()
			login := l.OnReceive(target.Once(target.Opcode(pdu.OpLoginReq)), target.Hold(gate))
			l.hurry()
			l.CutConnections()
			if !login.Await(1, soon) {
				t.Fatal("no login")
			}
			var done []<-chan error
			for _, n := range []int{512, 512, 512, 4 << 20} { // the last waits with most of its commands still to be begun
				done = append(done, async(func() error {
					_, err := l.disk.WriteAt(timeout(t), pattern(7, n), 0)
					return err
				}))
			}
			await(t, "writes that wait", func() bool { return l.s.Status().Waiting == 4 })
			c.harm(l)
			gate.Release()
			for _, d := range done {
				wantLost(t, "a write that waited", result(t, d))
			}
			l.awaitReconnect(1)
			if n := l.writes(l.cfg.InitiatorName); n != 0 {
				t.Errorf("%d writes were sent", n)
			}
			l.read(512, 0)
		})
	}
}

// TestLostUnderWay: a write without an answer is not sent again in a new session when
// the reservation was lost meanwhile.
func TestLostUnderWay(t *testing.T) {
	l := reservedLab(t)
	dropped := l.OnExecute(target.Once(target.SCSI(target.OpWrite10)), target.Drop())
	done := async(func() error { return writeTo(t, l.disk, 1, 0) })
	if !dropped.Await(1, soon) {
		t.Fatal("no write")
	}
	l.disk.lose(l.disk.hold.Load(), errors.New("the test says so"))
	l.hurry()
	l.CutConnections()
	wantLost(t, "the write", result(t, done))
	l.awaitReconnect(1)
	l.read(512, 0)
	if n := l.writes(l.cfg.InitiatorName); n != 1 {
		t.Errorf("sent %d times", n)
	}
}

// TestBroken: what a target says after a new login that makes the reservation
// broken, though it is held by our key.
func TestBroken(t *testing.T) {
	for name, edit := range map[string]func(*target.PDU){
		"no key": func(p *target.PDU) {
			if len(p.Data) == 16 { // READ KEYS
				clear(p.Data[4:8])
			}
		},
		"another type": func(p *target.PDU) {
			if len(p.Data) == 24 { // READ RESERVATION
				p.Data[21] = byte(scsi.WriteExclusiveAllRegistrants)
			}
		},
	} {
		l := reservedLab(t)
		l.OnSend(target.All(target.Opcode(pdu.OpDataIn), target.OfCommand(target.OpPersistentReserveIn)), target.Edit(edit))
		l.hurry()
		l.CutConnections()
		l.awaitReconnect(1)
		if err := writeTo(t, l.disk, 1, 0); !errors.Is(err, ErrReservationLost) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReserveUnsupported: what the target cannot do is said, or done without.
func TestReserveUnsupported(t *testing.T) {
	for name, c := range map[string]struct {
		option   target.Option
		fails    bool
		volatile bool
	}{
		"no reservations":     {target.WithoutReservations(), true, false},
		"no registrants only": {target.WithoutRegistrantsOnly(), true, false},
		"no APTPL":            {target.WithoutAPTPL(), false, true},
	} {
		l := optionLab(t, c.option)
		err := l.disk.Reserve(timeout(t), ourKey, 0)
		if c.fails != (err != nil) || err != nil && !errors.Is(err, ErrNoReservations) {
			t.Errorf("%s: %v", name, err)
		}
		if r := l.disk.Reservation(); r.Volatile != c.volatile {
			t.Errorf("%s: %+v", name, r)
		}
		if r := l.lun.Reservation(); c.fails && len(r.Keys) != 0 {
			t.Errorf("%s: still registered: %+v", name, r)
		}
	}
}

// TestOldForms: a target of SPC-2 knows no REGISTER AND IGNORE EXISTING KEY.
func TestOldForms(t *testing.T) {
	l := newTargetLab(t)
	l.OnExecute(reserveOut(byte(scsi.RegisterAndIgnore)), target.AnswerWith(target.CheckCondition(5, 0x24, 0)))
	l.login()
	l.disk = l.open(scsi.LUN{})
	l.reserve(l.disk, ourKey, 0)
	l.hurry()
	l.CutConnections()
	l.awaitReconnect(1)
	l.write(pattern(1, 512), 0)
	if err := l.disk.Release(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if r := l.lun.Reservation(); r.Type != 0 || len(r.Keys) != 0 {
		t.Errorf("left at the target: %+v", r)
	}
}

// TestTakenOver: a process of this host that died holds the LUN with the same key
// and another ISID; the next one needs no leave, and leaves nothing of both.
func TestTakenOver(t *testing.T) {
	l := newLab(t)
	dead := l.other("", 7)
	l.reserve(dead, ourKey, 0)
	dead.s.Close()
	l.reserve(l.disk, ourKey, 0)
	l.write(pattern(1, 512), 0)
	if err := l.disk.Release(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if r := l.lun.Reservation(); r.Type != 0 || len(r.Keys) != 0 {
		t.Errorf("left at the target: %+v", r)
	}
}

// TestForgetfulTarget: tgt knows an I_T nexus by its session only, so that after a
// new login the key is registered and this host is not. That costs nothing, whenever
// the connection is lost, and the release leaves nothing behind.
func TestForgetfulTarget(t *testing.T) {
	for name, cut := range map[string]target.Match{
		"while it reserves":      target.SCSI(target.OpPersistentReserveOut),
		"before it is mounted":   target.SCSI(target.OpModeSense6),
		"when it is in use":      target.SCSI(target.OpWrite10),
		"while it looks for who": target.SCSI(target.OpPersistentReserveIn),
	} {
		t.Run(name, func(t *testing.T) {
			l := optionLab(t, target.SessionNexus(), target.WithoutAPTPL())
			l.hurry()
			l.OnExecute(target.Once(cut), target.CutAfter())
			l.reserve(l.disk, ourKey, 0)
			for i := range 3 {
				l.write(pattern(uint64(i), 512), 0)
				l.hurry()
				l.CutConnections()
				await(t, "a new session", func() bool { st := l.s.Status(); return st.State == LoggedIn && st.Reconnects > i })
			}
			if r := l.disk.Reservation(); r.Lost != nil {
				t.Error(r.Lost)
			}
			// The reservation kept the mode pages from the session that was new.
			if !l.disk.Info().Mode.CachingPage {
				t.Error("the caching page is not known any more")
			}
			var released <-chan error
			l.whileDown(func() { // so that the release meets a session that is not registered
				released = async(func() error { return l.disk.Release(timeout(t)) })
				await(t, "a release that waits", func() bool { return l.s.Status().Waiting == 1 })
			})
			if err := result(t, released); err != nil {
				t.Fatal(err)
			}
			if r := l.lun.Reservation(); r.Type != 0 || len(r.Keys) != 0 {
				t.Errorf("left at the target: %+v", r)
			}
		})
	}
}

// TestDeadPath: a path that is gone leaves its registration behind; the release
// takes that away too.
func TestDeadPath(t *testing.T) {
	l := reservedLab(t)
	second := l.other("", 1)
	l.reserve(second, ourKey, 0)
	second.s.Close()
	if err := l.disk.Release(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if r := l.lun.Reservation(); r.Type != 0 || len(r.Keys) != 0 {
		t.Errorf("left at the target: %+v", r)
	}
}

// TestPaths: each path registers; the reservation stays until the last is gone.
func TestPaths(t *testing.T) {
	l := reservedLab(t)
	second := l.other("", 1)
	l.reserve(second, ourKey, 0)
	if err := writeTo(t, second, 1, 0); err != nil {
		t.Fatal(err)
	}
	if err := second.Unregister(timeout(t)); err != nil {
		t.Fatal(err)
	}
	if r := l.lun.Reservation(); r.Key != ourKey || len(r.Keys) != 1 {
		t.Errorf("%+v", r)
	}
	l.write(pattern(2, 512), 0)
	if err := writeTo(t, second, 3, 0); err == nil {
		t.Error("a path that is not registered writes")
	}
}

// TestReleaseLeavesOthers: what another host has taken meanwhile is not released.
func TestReleaseLeavesOthers(t *testing.T) {
	l := reservedLab(t)
	l.reserve(l.other("2", 1), theirKey, ourKey)
	if err := l.disk.Release(timeout(t)); err != nil {
		t.Fatal(err)
	}
	l.wantReserved(theirKey)
}

// TestReserveOutOnce: a PERSISTENT RESERVE OUT whose answer was lost is looked for
// with PERSISTENT RESERVE IN: sent again when it was not carried out, and only then.
// REGISTER AND IGNORE EXISTING KEY alone may be repeated.
func TestReserveOutOnce(t *testing.T) {
	for name, c := range map[string]struct {
		cut    target.Action
		sent   int // 0: any number of times
		action scsi.ReserveOutAction
	}{
		"RESERVE, carried out":  {target.CutAfter(), 1, scsi.Reserve},
		"RESERVE, lost":         {target.CutBefore(), 2, scsi.Reserve},
		"PREEMPT, carried out":  {target.CutAfter(), 1, scsi.PreemptAndAbort},
		"PREEMPT, lost":         {target.CutBefore(), 2, scsi.PreemptAndAbort},
		"RELEASE, carried out":  {target.CutAfter(), 1, scsi.Release},
		"RELEASE, lost":         {target.CutBefore(), 2, scsi.Release},
		"REGISTER, carried out": {target.CutAfter(), 0, scsi.RegisterAndIgnore},
		"REGISTER, lost":        {target.CutBefore(), 0, scsi.RegisterAndIgnore},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			if c.action == scsi.PreemptAndAbort {
				other := l.other("2", 1)
				l.reserve(other, theirKey, 0)
				other.s.Close()
			}
			l.hurry()
			l.OnExecute(target.Once(reserveOut(byte(c.action))), c.cut)
			l.reserve(l.disk, ourKey, theirKey)
			l.wantReserved(ourKey)
			if c.action == scsi.Release {
				if err := l.disk.Release(timeout(t)); err != nil {
					t.Fatal(err)
				}
				l.wantReserved(0)
			}
			n := 0
			for _, action := range l.outs() {
				if action == byte(c.action) {
					n++
				}
			}
			if c.sent > 0 && n != c.sent {
				t.Errorf("sent %d times, want %d: %x", n, c.sent, l.outs())
			}
			if l.s.Status().Reconnects != 1 {
				t.Error("no connection was lost")
			}
		})
	}
}

// TestReserveWhileDown: a session that does not come back ends the attempt.
func TestReserveWhileDown(t *testing.T) {
	l := newLab(t, func(_ *target.Config, c *Config) { c.ReplacementTimeout = 100 * time.Millisecond })
	l.StopListening()
	l.hurry()
	l.CutConnections()
	l.awaitState(Recovering)
	if err := l.disk.Reserve(timeout(t), ourKey, 0); !errors.Is(err, ErrSessionLost) {
		t.Errorf("%v", err)
	}
	l.Listen()
	l.awaitReconnect(1)
}
