package initiator

import (
	"context"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// generous offers what this initiator does not use: error recovery level 2 and several
// connections.
func generous(tc *target.Config, c *Config) {
	smallBursts(tc, c)
	tc.Params.ErrorRecoveryLevel, tc.Params.MaxConnections = 2, 4
}

// TestErrorRecoveryLevelZero: the result of ErrorRecoveryLevel and MaxConnections is the
// minimum of both offers (RFC 7143, Sections 13.20 and 13.2), here 0 and 1. So what is
// lost on the way, at whichever gap it shows, is recovered by a new session (Section
// 7.1.5) and not by:
//
//   - SNACK, which "MUST NOT" be used at level 0 (Section 11.16);
//   - retry of a command on its connection (Section 7.2.1): no CmdSN goes out twice;
//   - TASK REASSIGN (Section 11.5.1) and Logout for recovery (Section 11.14), of level 2;
//   - a further connection.
func TestErrorRecoveryLevelZero(t *testing.T) {
	for name, lost := range map[string]pdu.Opcode{"data": pdu.OpDataIn, "R2T": pdu.OpR2T, "status": pdu.OpSCSIResponse} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, generous, func(_ *target.Config, c *Config) { c.CommandTimeout = time.Second })
			for key, want := range map[string]string{"ErrorRecoveryLevel": "0", "MaxConnections": "1"} {
				if got := l.Sessions()[0].Keys[key]; got != want {
					t.Errorf("%s=%s, want %s", key, got, want)
				}
			}
			capture := l.Capture()
			rule := l.OnSend(target.Once(target.Opcode(lost)), target.Drop())
			l.hurry()
			l.work(1)
			if rule.Count() != 1 {
				t.Fatal("nothing was lost")
			}
			if n := len(l.Sessions()[0].Connections); n != 1 {
				t.Errorf("%d connections", n)
			}
			capture.Stop()
			checkLevelZero(t, capture.PDUs())
		})
	}
}

// checkLevelZero looks for what belongs to higher levels.
func checkLevelZero(t *testing.T, pdus []target.Captured) {
	t.Helper()
	next := map[string]uint32{} // CmdSN, by connection
	for _, p := range pdus {
		h := header(p.PDU.Header)
		if p.FromTarget {
			continue
		}
		switch op := h.opcode(); {
		case op == 0x10:
			t.Errorf("SNACK %x", h)
		case op == 0x02 && h[1]&0x7f == 8:
			t.Errorf("TASK REASSIGN %x", h)
		case op == 0x06 && h[1]&0x7f == 2:
			t.Errorf("logout for recovery %x", h)
		case op == 0x03 && h.get(12)&0xffff != 0:
			t.Errorf("login into a session that exists: %x", h)
		case op == 0x01 && !h.immediate():
			if want, begun := next[p.Initiator]; begun && h.get(atCmdSN) != want {
				t.Errorf("CmdSN %d, want %d: %x", h.get(atCmdSN), want, h)
			}
			next[p.Initiator] = h.get(atCmdSN) + 1
		}
	}
}

// TestAcknowledgeBit: the A bit asks for an acknowledgement "for sessions with
// ErrorRecoveryLevel=1 or higher" (RFC 7143, Section 11.7.2); at level 0 it asks for
// nothing.
func TestAcknowledgeBit(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	done := readBlock(rawDisk(s, scsi.LUN{}), 0)
	command, _ := w.command()
	w.inform(dataIn(command, 0xc0, 0, 0), make([]byte, 512))
	w.quiet()
	w.good(command)
	if err := result(t, done); err != nil {
		t.Error(err)
	}
}

// TestPaddingWithDigests: the data digest covers the padding, which the DataSegmentLength
// does not count (RFC 7143, Sections 11.2.3 and 11.1), whatever the length is modulo 4.
func TestPaddingWithDigests(t *testing.T) {
	l := newLab(t, digests)
	for n := range 9 {
		l.Ping(make([]byte, n))
		sense := append([]byte{0x70, 0, 0x06, 0, 0, 0, 0, byte(10 + n), 0, 0, 0, 0, 0x29, 0, 0, 0, 0, 0}, make([]byte, n)...)
		rule := l.OnExecute(target.Once(target.SCSI(target.OpRead10)), target.AnswerWith(target.Answer{Status: 0x02, Sense: sense}))
		if _, err := l.disk.ReadAt(context.Background(), make([]byte, 512), 0); err != nil {
			t.Errorf("%d bytes of sense data: %v", len(sense), err)
		}
		if rule.Count() != 1 {
			t.Error("no sense data were sent")
		}
		rule.Remove()
	}
	await(t, "answers to all pings", func() bool { return l.Counters().Pongs == 9 })
	if st := l.s.Status(); st.Reconnects != 0 || st.Stats.DigestErrors != 0 {
		t.Errorf("%d reconnects, %d digest errors: %v", st.Reconnects, st.Stats.DigestErrors, st.Reason)
	}
}
