package initiator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// smallBursts makes each write of a few KiB go through immediate data,
// unsolicited data and several R2Ts.
func smallBursts(tc *target.Config, _ *Config) {
	p := target.DefaultParams()
	p.MaxRecvDataSegmentLength, p.FirstBurstLength, p.MaxBurstLength = 1024, 2048, 4096
	tc.Params = &p
}

// work reads and writes several parts of the disk at once, checks every byte,
// and makes it durable.
func (l *lab) work(seed int) {
	l.t.Helper()
	ctx := timeout(l.t)
	var done []<-chan error
	for part := range 4 {
		done = append(done, async(func() error {
			off, data := int64(part)<<20, pattern(uint64(seed*4+part), 16<<10)
			for range 2 {
				if _, err := l.disk.WriteAt(ctx, data, off); err != nil {
					return err
				}
				got := make([]byte, len(data))
				if _, err := l.disk.ReadAt(ctx, got, off); err != nil {
					return err
				}
				if !bytes.Equal(got, data) {
					return fmt.Errorf("part %d reads back otherwise", part)
				}
				if err := l.disk.Sync(ctx); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	for _, d := range done {
		if err := result(l.t, d); err != nil {
			l.t.Error(err)
		}
	}
	for part := range 4 {
		l.holds(pattern(uint64(seed*4+part), 16<<10), int64(part)<<20)
	}
}

// cutPoint is a place in the traffic where the connection breaks.
type cutPoint struct {
	name string
	add  func(l *lab) *target.Rule
}

// cutPoints are those before, in and after every kind of PDU of a transfer, in
// both directions.
func cutPoints() (points []cutPoint) {
	for _, op := range []pdu.Opcode{pdu.OpSCSICommand, pdu.OpDataOut} {
		for nth := range int64(3) {
			m := func() target.Match { return target.Nth(nth*2+1, target.Opcode(op)) }
			points = append(points,
				cutPoint{fmt.Sprintf("before %v %d", op, nth), func(l *lab) *target.Rule { return l.OnReceive(m(), target.CutBefore()) }},
				cutPoint{fmt.Sprintf("after %v %d", op, nth), func(l *lab) *target.Rule { return l.OnReceive(m(), target.CutAfter()) }})
		}
	}
	for _, op := range []pdu.Opcode{pdu.OpR2T, pdu.OpDataIn, pdu.OpSCSIResponse} {
		for nth, at := range []int{0, 1, 47, 48, 49, 1000} {
			m := func() target.Match { return target.Nth(int64(nth%3)+1, target.Opcode(op)) }
			points = append(points,
				cutPoint{fmt.Sprintf("%d bytes into %v", at, op), func(l *lab) *target.Rule { return l.OnSend(m(), target.CutAt(at)) }})
		}
		points = append(points, cutPoint{fmt.Sprintf("after %v", op), func(l *lab) *target.Rule {
			return l.OnSend(target.Nth(2, target.Opcode(op)), target.CutAfter())
		}})
	}
	for _, op := range []byte{target.OpWrite10, target.OpRead10, target.OpSynchronizeCache16} {
		points = append(points, cutPoint{fmt.Sprintf("executed %#x, unanswered", op), func(l *lab) *target.Rule {
			return l.OnExecute(target.Nth(3, target.SCSI(op)), target.CutAfter())
		}})
	}
	return points
}

// TestCutAnywhere breaks the connection at each of them under load. Afterwards
// all data is right, and no caller has seen an error.
func TestCutAnywhere(t *testing.T) {
	l := newLab(t, smallBursts)
	for i, point := range cutPoints() {
		t.Run(point.name, func(t *testing.T) {
			l.t = t
			before := l.s.Status().Reconnects
			l.hurry()
			rule := point.add(l)
			defer rule.Remove()
			l.work(i)
			if rule.Count() == 0 {
				t.Fatal("the connection was not cut")
			}
			l.awaitReconnect(before + 1)
		})
	}
	l.t = t
}

// TestCutDuringRecovery breaks the new connection too, at each step of its
// proof that the disk is the same.
func TestCutDuringRecovery(t *testing.T) {
	steps := map[string]func(l *lab) *target.Rule{
		"login response": func(l *lab) *target.Rule {
			return l.OnSend(target.Once(target.Opcode(pdu.OpLoginResp)), target.CutAt(30))
		},
		"INQUIRY": func(l *lab) *target.Rule {
			return l.OnReceive(target.Once(target.SCSI(target.OpInquiry)), target.CutBefore())
		},
		"INQUIRY data": func(l *lab) *target.Rule {
			return l.OnSend(target.Once(target.OfCommand(target.OpInquiry)), target.CutAt(60))
		},
		"LUN reset": func(l *lab) *target.Rule {
			return l.OnReceive(target.Once(target.Opcode(pdu.OpTaskMgmtReq)), target.CutBefore())
		},
		"LUN was reset": func(l *lab) *target.Rule {
			return l.OnSend(target.Once(target.Opcode(pdu.OpTaskMgmtResp)), target.CutBefore())
		},
		"repeated writes": func(l *lab) *target.Rule {
			return l.OnReceive(target.Once(target.SCSI(target.OpWrite10)), target.CutBefore())
		},
	}
	concurrently(t, steps, func(t *testing.T, name string, add func(l *lab) *target.Rule) func() {
		l := newLab(t, smallBursts)
		gate := target.NewGate()
		held := l.OnExecute(target.SCSI(target.OpWrite10), target.Hold(gate))
		data := pattern(1, 16<<10)
		done := async(func() error { _, err := l.disk.WriteAt(context.Background(), data, 0); return err })
		if !held.Await(1, soon) {
			t.Fatal("no write")
		}
		held.Remove()
		rule := add(l)
		l.hurry()
		l.CutConnections()
		return func() {
			if !rule.Await(1, soon) {
				t.Error("the new connection was not cut")
			}
			if err := result(t, done); err != nil {
				t.Error(err)
			}
			l.holds(data, 0)
		}
	})
}

// concurrently begins all cases and then finishes each: for those that have to
// wait for a pause that only passes with time.
func concurrently[C any](t *testing.T, cases map[string]C, begin func(t *testing.T, name string, c C) (finish func())) {
	var finish []func()
	for name, c := range cases {
		finish = append(finish, begin(t, name, c))
	}
	for _, f := range finish {
		f()
	}
}

// TestReplay: what goes over the wire after a connection was lost, PDU by PDU.
func TestReplay(t *testing.T) {
	l := newLab(t)
	lost := l.OnExecute(target.SCSI(target.OpWrite10, target.OpRead10), target.Drop())
	ctx := timeout(t)
	var done []<-chan error
	order := []int64{5, 3, 9, 1, 7, 2}
	for i, lba := range order {
		done = append(done, async(func() error {
			_, err := l.disk.WriteAt(ctx, pattern(uint64(lba), 512), lba*512)
			return err
		}))
		if !lost.Await(i+1, soon) {
			t.Fatal("no write")
		}
	}
	first := l.Sessions()[0]
	lost.Remove()
	capture := l.Capture()
	l.hurry()
	l.CutConnections()
	for _, d := range done {
		if err := result(t, d); err != nil {
			t.Error(err)
		}
	}
	capture.Stop()
	for _, lba := range order {
		l.holds(pattern(uint64(lba), 512), lba*512)
	}

	var identified, reset bool
	var repeated []int64
	for _, p := range capture.PDUs() {
		h := header(p.PDU.Header)
		switch {
		case p.FromTarget:
		case h.opcode() == 0x03:
			// RFC 7143, 6.3.5: session reinstatement is a login with the ISID of
			// the old session and a TSIH of zero.
			if !bytes.Equal(h[8:14], first.ISID[:]) || h[14] != 0 || h[15] != 0 {
				t.Errorf("ISID %x, TSIH %x", h[8:14], h[14:16])
			}
		case h.opcode() == 0x02:
			if function := h[1] & 0x7f; function != 5 {
				t.Errorf("task management function %d, want 5, LOGICAL UNIT RESET", function)
			}
			reset = true
		case h[32] == 0x12 && h[33] == 1 && h[34] == 0x83:
			identified = true
		case h[32] == 0x2a:
			if !identified || !reset {
				t.Fatalf("a write before the LUN was identified (%v) and reset (%v)", identified, reset)
			}
			repeated = append(repeated, int64(h.get(34)))
		}
	}
	if !slices.Equal(repeated, order) {
		t.Errorf("writes repeated in the order %v, want that of their CmdSN, %v", repeated, order)
	}
}

// TestNoResetWithoutWrites: where no write can still be under way nobody's
// tasks are aborted.
func TestNoResetWithoutWrites(t *testing.T) {
	l := newLab(t)
	l.write(pattern(1, 512), 0)
	l.whileDown(func() {})
	l.awaitReconnect(1)
	if n := len(l.Counters().TaskManagement); n != 0 {
		t.Errorf("%d task management functions", n)
	}
}

// TestGhost: a write of a lost connection that the target still executes, after
// its repetition and a later write of the same block, would undo that one. tgt
// was seen to do that; LOGICAL UNIT RESET ends it.
func TestGhost(t *testing.T) {
	l := newLab(t)
	gate := target.NewGate()
	held := l.OnExecute(target.SCSI(target.OpWrite10), target.Hold(gate))
	done := async(func() error { _, err := l.disk.WriteAt(context.Background(), pattern(1, 512), 0); return err })
	if !held.Await(1, soon) {
		t.Fatal("no write")
	}
	held.Remove()
	l.hurry()
	l.CutConnections()
	if err := result(t, done); err != nil {
		t.Fatal(err)
	}
	l.write(pattern(2, 512), 0)
	gate.Release()
	l.holds(pattern(2, 512), 0)
}

// TestReplacementTimeout: how long commands wait for a session that does not
// come back.
func TestReplacementTimeout(t *testing.T) {
	for _, limit := range []time.Duration{0, 300 * time.Millisecond} {
		l := newLab(t, func(_ *target.Config, c *Config) { c.ReplacementTimeout = limit })
		gate := target.NewGate()
		defer gate.Release()
		held := l.OnExecute(target.SCSI(target.OpWrite10), target.Hold(gate))
		inFlight := async(func() error { _, err := l.disk.WriteAt(context.Background(), pattern(1, 512), 0); return err })
		if !held.Await(1, soon) {
			t.Fatal("no write")
		}
		l.StopListening()
		start := time.Now()
		l.CutConnections()
		err := result(t, inFlight)
		if took := time.Since(start); !errors.Is(err, ErrSessionLost) || took < limit || took > limit+soon/2 {
			t.Errorf("%v: after %v: %v", limit, took, err)
		}
		// Later ones fail at once, the session goes on trying, and then all is well,
		// though the write may still be running at the target.
		l.awaitState(Recovering)
		await(t, "refusal", func() bool {
			_, err := l.disk.ReadAt(context.Background(), make([]byte, 512), 0)
			return errors.Is(err, ErrSessionLost)
		})
		held.Remove()
		l.Listen()
		l.awaitReconnect(1)
		l.read(512, 0)
	}
}

// TestNeverGivesUp: with a negative replacement timeout commands wait for ever.
func TestNeverGivesUp(t *testing.T) {
	l := newLab(t, func(_ *target.Config, c *Config) { c.ReplacementTimeout = -1 })
	l.StopListening()
	l.hurry()
	l.CutConnections()
	l.awaitState(Recovering)
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	if _, err := l.disk.ReadAt(ctx, make([]byte, 512), 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a read that nobody serves: %v", err)
	}
	done := async(func() error { _, err := l.disk.WriteAt(context.Background(), pattern(1, 512), 0); return err })
	await(t, "an attempt that fails", func() bool {
		var e net.Error
		return errors.As(l.s.Status().Reason, &e)
	})
	l.Listen()
	if err := result(t, done); err != nil {
		t.Fatal(err)
	}
	l.holds(pattern(1, 512), 0)
}

// TestTime2Wait: DefaultTime2Wait is "the minimum time, in seconds, to wait before
// attempting an explicit/implicit logout" (RFC 7143, Section 13.15), which a
// reinstatement of the session is (Section 11.14), and a target's own Time2Wait in an
// asynchronous message stands above it. That of a Logout Response does where it "specifies
// the minimum time to wait before attempting a new implicit or explicit logout", with the
// codes 2 and 3; with 0 it "is to be ignored", and with 1 it is invalid (Section 11.15.3).
func TestTime2Wait(t *testing.T) {
	for name, wait := range map[string]struct {
		end  func(l *lab)
		want time.Duration
	}{
		"DefaultTime2Wait":          {func(l *lab) { l.CutConnections() }, 2 * time.Second},
		"asynchronous message":      {func(l *lab) { l.SendAsync(pdu.AsyncMessage{Event: pdu.AsyncDropConnection, Parameter2: 30}, nil) }, 30 * time.Second},
		"logout carried out":        {logoutAnswered(0), 2 * time.Second},
		"logout of an unknown CID":  {logoutAnswered(1), 2 * time.Second},
		"recovery is not supported": {logoutAnswered(2), 40 * time.Second},
		"cleanup failed":            {logoutAnswered(3), 40 * time.Second},
	} {
		l := newLab(t)
		start := time.Now()
		wait.end(l)
		l.awaitState(Recovering)
		if next := l.s.Status().NextAttempt; next.Before(start.Add(wait.want)) || next.After(time.Now().Add(wait.want)) {
			t.Errorf("%s: the next attempt is %v after the end, want %v", name, next.Sub(start), wait.want)
		}
	}
}

// logoutAnswered has the target ask for a logout, and answer it with a Time2Wait of 40 s.
func logoutAnswered(response byte) func(l *lab) {
	return func(l *lab) {
		l.OnSend(target.Opcode(pdu.OpLogoutResp), target.Edit(func(p *target.PDU) { p.Header[2], p.Header[41] = response, 40 }))
		l.SendAsync(pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest, Parameter3: 5}, nil)
	}
}

// TestOpenDiskAcrossCut: a disk opened while the connection breaks is
// one disk, not the first answers of one and the last of another.
func TestOpenDiskAcrossCut(t *testing.T) {
	l := newTargetLab(t)
	l.login()
	l.hurry()
	l.OnReceive(target.Once(target.SCSI(target.OpReadCapacity10, target.OpServiceActionIn16)), target.CutBefore())
	l.disk = l.open(scsi.LUN{})
	l.awaitReconnect(1)
	l.write(pattern(1, 512), 0)
	l.holds(pattern(1, 512), 0)
}

// TestOpenDiskAcrossSwap: nor where another logical unit has come to the number while the
// connection was down: all that the disk tells of itself is of one of them.
func TestOpenDiskAcrossSwap(t *testing.T) {
	l := newTargetLab(t)
	l.login()
	gate := target.NewGate()
	logins := l.OnReceive(target.Opcode(pdu.OpLoginReq), target.Hold(gate))
	l.OnReceive(target.Once(target.SCSI(target.OpReadCapacity10, target.OpServiceActionIn16)), target.CutBefore())
	l.hurry()
	var d *Disk
	opened := async(func() (err error) { d, err = l.s.OpenDisk(timeout(t), scsi.LUN{}); return err })
	if !logins.Await(1, soon) {
		t.Fatal("no new login")
	}
	l.RemoveLUN(0)
	if err := l.AddLUN(0, otherDisk(1<<20, target.Identity("NEW", "DISK", "1"))); err != nil {
		t.Fatal(err)
	}
	logins.Remove()
	gate.Release()
	if err := result(t, opened); err != nil {
		t.Fatal(err)
	}
	if info := d.Info(); info.Inquiry.Vendor != "NEW" || d.Size() != 1<<20 {
		t.Errorf("the disk of %d bytes has the INQUIRY data of %q", d.Size(), info.Inquiry.Vendor)
	}
}
