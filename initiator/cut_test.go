package initiator

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// TestCutAtControlPDUs breaks the connection before, in and after each PDU that moves
// no data, in both directions (TestCutAnywhere has those that do, TestCutDuringRecovery
// and TestLoginCutAtEveryByte those of a login). No caller sees an error, all data is
// right.
func TestCutAtControlPDUs(t *testing.T) {
	ping := func(l *lab) { l.Ping(nil) }
	message := func(m pdu.AsyncMessage) func(l *lab) { return func(l *lab) { l.SendAsync(m, nil) } }
	for _, c := range []struct {
		name          string
		begin         func(l *lab)
		asked, answer pdu.Opcode // the first from the initiator; 0x3e: none
	}{
		{"ping from the target", ping, pdu.OpNOPOut, pdu.OpNOPIn},
		{"ABORT TASK", (*lab).giveUpRead, pdu.OpTaskMgmtReq, pdu.OpTaskMgmtResp},
		{"text", message(pdu.AsyncMessage{Event: pdu.AsyncNegotiate, Parameter3: 5}), pdu.OpTextReq, pdu.OpTextResp},
		{"logout", message(pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest, Parameter3: 5}), pdu.OpLogoutReq, pdu.OpLogoutResp},
		{"asynchronous message", message(pdu.AsyncMessage{Event: pdu.AsyncVendor}), none, pdu.OpAsyncMessage},
		{"Reject", func(l *lab) { l.SendReject(pdu.RejectNotSupported, textRequest()) }, none, pdu.OpReject},
	} {
		once := func(op pdu.Opcode) target.Match { return target.Once(target.Opcode(op)) }
		cuts := map[string]func(l *lab) *target.Rule{
			"before the answer": func(l *lab) *target.Rule { return l.OnSend(once(c.answer), target.CutBefore()) },
			"after the answer":  func(l *lab) *target.Rule { return l.OnSend(once(c.answer), target.CutAfter()) },
		}
		for _, n := range []int{1, 20, 47} {
			cuts[fmt.Sprintf("%d bytes into the answer", n)] = func(l *lab) *target.Rule { return l.OnSend(once(c.answer), target.CutAt(n)) }
		}
		if c.asked != none {
			cuts["before the request"] = func(l *lab) *target.Rule { return l.OnReceive(once(c.asked), target.CutBefore()) }
			cuts["after the request"] = func(l *lab) *target.Rule { return l.OnReceive(once(c.asked), target.CutAfter()) }
		}
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, smallBursts)
			for name, add := range cuts {
				before := l.s.Status().Reconnects
				l.hurry()
				rule := add(l)
				c.begin(l)
				l.work(before)
				if !rule.Await(1, soon) {
					t.Errorf("%s: the connection was not cut", name)
				}
				l.awaitReconnect(before + 1)
				rule.Remove()
			}
		})
	}
}

// none is no opcode of RFC 7143.
const none pdu.Opcode = 0x3e

// textRequest is the header of a request whose Reject ends no session.
func textRequest() (b pdu.BHS) {
	(&pdu.TextRequest{Final: true, ITT: 0x123, TTT: pdu.ReservedTag}).Marshal(&b)
	return b
}

// giveUpRead begins a read that the target holds, and has its caller give up.
func (l *lab) giveUpRead() {
	gate := target.NewGate()
	held := l.OnExecute(target.Once(target.All(target.SCSI(target.OpRead10), target.AtLBA(9999))), target.Hold(gate))
	l.t.Cleanup(gate.Release)
	ctx, cancel := context.WithCancel(context.Background())
	done := async(func() error { _, err := l.disk.ReadAt(ctx, make([]byte, 512), 9999*512); return err })
	if !held.Await(1, soon) {
		l.t.Error("no read")
	}
	cancel()
	go func() {
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, ErrSessionLost) {
			l.t.Errorf("the read ended with %v", err)
		}
	}()
}

// TestStaleTag: what carries the Initiator Task Tag of a task of the connection before
// belongs to no task of this one: it ends none of them.
func TestStaleTag(t *testing.T) {
	l := newLab(t)
	l.fill(pattern(1, 4096), 0)
	capture := l.Capture()
	l.read(512, 0)
	capture.Stop()
	stale := capture.PDUs()[0].PDU.Header.ITT()
	l.hurry()
	l.CutConnections()
	l.awaitReconnect(1)
	rule := l.OnSend(target.Once(target.All(target.Opcode(pdu.OpDataIn), target.OfCommand(target.OpRead10))), target.Edit(func(p *target.PDU) {
		h := header(p.Header)
		h.put(atITT, stale)
		p.Header = pdu.BHS(h)
	}))
	l.hurry()
	done := async(func() error {
		got := make([]byte, 4096)
		if _, err := l.disk.ReadAt(context.Background(), got, 0); err != nil {
			return err
		}
		same(t, "a read", got, pattern(1, 4096))
		return nil
	})
	if !rule.Await(1, soon) {
		t.Fatal("no answer")
	}
	l.Ping(nil) // is answered behind it, unless the connection has ended
	reconnected := func() bool { return l.s.Status().Reconnects > 1 }
	await(t, "an answer to a ping", func() bool { return l.Counters().Pongs == 1 || reconnected() })
	if len(done) > 0 && !reconnected() {
		t.Error("the read was ended by an answer with the tag of another")
	}
	// Its own answer never comes.
	l.hurry()
	l.CutConnections()
	if err := result(t, done); err != nil {
		t.Error(err)
	}
}

// TestResetOnWire: every field of a LOGICAL UNIT RESET (RFC 7143, Section 11.5): function
// 5, immediate, the LUN, no Referenced Task Tag, no RefCmdSN. The session sends it for a
// write that its last connection left unanswered.
func TestResetOnWire(t *testing.T) {
	const number = 5
	l := newLab(t, func(tc *target.Config, _ *Config) {
		tc.LUNs = append(tc.LUNs, target.NewMemoryLUN(1<<20, 512, target.Number(number)))
	})
	d := l.open(scsi.PeripheralLUN(number))
	lost := l.OnExecute(target.Once(target.SCSI(target.OpWrite10)), target.Drop())
	done := async(func() error { _, err := d.WriteAt(context.Background(), pattern(1, 512), 0); return err })
	if !lost.Await(1, soon) {
		t.Fatal("no write")
	}
	capture := l.Capture()
	l.hurry()
	l.CutConnections()
	if err := result(t, done); err != nil {
		t.Fatal(err)
	}
	capture.Stop()
	resets := 0
	for _, p := range capture.PDUs() {
		h := header(p.PDU.Header)
		if p.FromTarget || h.opcode() != 0x02 {
			continue
		}
		resets++
		want := header{0: 0x42, 1: 0x85, atLUN + 1: number}
		want.put(atITT, h.get(atITT)).put(atRefTag, reservedTag).put(atCmdSN, h.get(atCmdSN)).put(atExpStatSN, h.get(atExpStatSN))
		if h != want || h.get(atITT) == reservedTag {
			t.Errorf("LOGICAL UNIT RESET\ngot  %x\nwant %x", h, want)
		}
	}
	if resets != 1 {
		t.Errorf("%d resets, want 1", resets)
	}
}
