package initiator

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// reject refuses a PDU: the data segment is the header of it.
func (w *wire) reject(reason byte, refused *header) {
	h := newHeader(0x3f, 0x80).put(atITT, reservedTag)
	h[2] = reason
	w.respond(h, refused[:])
}

// TestRejectEndsConnection: at error recovery level 0 a refused command is
// recovered by a new session.
func TestRejectEndsConnection(t *testing.T) {
	for _, reason := range []byte{0x02, 0x04, 0x05, 0x06, 0x07, 0x09, 0x0c, 0xee} {
		p := newWirePeer(t, "")
		s, w := p.login()
		done := readBlock(rawDisk(s, scsi.LUN{}), 0)
		command, _ := w.command()
		w.reject(reason, command)
		if err := w.ended(s); err == nil || !strings.Contains(err.Error(), "rejected") {
			t.Errorf("reason %#x: %v", reason, err)
		}
		if err := result(t, done); !errors.Is(err, ErrSessionLost) {
			t.Errorf("reason %#x: the read ended with %v", reason, err)
		}
	}
}

// TestRejectWithoutHeader: a Reject is "complete header of bad PDU" (RFC 7143,
// Section 11.17) or nonsense.
func TestRejectWithoutHeader(t *testing.T) {
	for _, data := range [][]byte{nil, make([]byte, 47)} {
		p := newWirePeer(t, "")
		s, w := p.login()
		w.respond(newHeader(0x3f, 0x80).put(atITT, reservedTag), data)
		if err := w.ended(s); !errors.Is(err, ErrProtocol) {
			t.Error(err)
		}
	}
}

// TestRejectOfText: only the exchange fails.
func TestRejectOfText(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	done := async(func() error {
		_, err := s.text(context.Background(), false, []pdu.KeyValue{{Key: "X-test", Value: "1"}})
		return err
	})
	h, data := w.expect(0x04)
	if string(data) != "X-test=1\x00" {
		t.Errorf("text %q", data)
	}
	w.reject(0x05, h)
	if err := result(t, done); err == nil {
		t.Error("a rejected text request succeeds")
	}
	w.quiet()
}

// TestRejectOfPing: too many immediate commands are no reason to part.
func TestRejectOfPing(t *testing.T) {
	p := newWirePeer(t, "")
	_, w := p.login(func(c *Config) { c.NoopInterval, c.NoopTimeout = minBusyPause*10, soon })
	for range 3 {
		h, _ := w.expect(0x00)
		w.reject(0x06, h)
	}
}

// TestRejectOfData: a target that finds a data digest wrong rejects the PDU and then
// may end the command with CHECK CONDITION, the sense key Aborted Command, and the code
// 47h/05h of a "Protocol Service CRC error" (RFC 7143, Sections 7.8 and 11.4.7.2). It
// is sent again.
func TestRejectOfData(t *testing.T) {
	p := newWirePeer(t, solicited)
	s, w := p.login()
	data := pattern(1, 1000/512*512)
	command, done := w.writing(rawDisk(s, scsi.LUN{}), data)
	w.inform(r2t(command, 1, 0, 0, uint32(len(data))), nil)
	h, _ := w.expect(0x05)
	w.reject(0x02, h)
	w.status(command, 0x02, []byte{0x70, 0, 0x0b, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x47, 0x05, 0, 0, 0, 0})
	again, _ := w.command()
	if again.get(atITT) == command.get(atITT) || !bytes.Equal(again[32:48], command[32:48]) {
		t.Errorf("repeated %x", *again)
	}
	r := r2t(again, 2, 0, 0, uint32(len(data)))
	w.inform(r, nil)
	same(t, "the data", w.burst(r, 1001), data)
	w.good(again)
	if err := result(t, done); err != nil {
		t.Error(err)
	}
}

// TestRejectRecovers: with a target that goes on afterwards no caller sees it.
func TestRejectRecovers(t *testing.T) {
	l := newLab(t)
	held := l.OnExecute(target.Once(target.SCSI(target.OpWrite10)), target.Drop())
	capture := l.Capture()
	done := async(func() error { _, err := l.disk.WriteAt(context.Background(), pattern(1, 512), 0); return err })
	if !held.Await(1, soon) {
		t.Fatal("no write")
	}
	capture.Stop()
	l.hurry()
	l.SendReject(pdu.RejectProtocolError, capture.PDUs()[0].PDU.Header)
	if err := result(t, done); err != nil {
		t.Fatal(err)
	}
	l.holds(pattern(1, 512), 0)
}

// TestRejectOfAnotherKind: a Reject of what ends no session, with the tag of a command,
// does not answer the command, which the target may still execute.
func TestRejectOfAnotherKind(t *testing.T) {
	for _, opcode := range []byte{0x00, 0x02, 0x04, 0x06} {
		p := newWirePeer(t, solicited)
		s, w := p.login()
		command, done := w.writing(rawDisk(s, scsi.LUN{}), pattern(1, 512))
		refused := *command
		refused[0] = 0x40 | opcode
		w.reject(0x06, &refused)
		if err := w.ended(s); !errors.Is(err, ErrProtocol) {
			t.Errorf("opcode %#x: the connection ended with: %v", opcode, err)
		}
		if err := result(t, done); !errors.Is(err, ErrSessionLost) {
			t.Errorf("opcode %#x: the write ended with: %v", opcode, err)
		}
		if !s.haunted(scsi.LUN{}) {
			t.Errorf("opcode %#x: the write is taken for ended", opcode)
		}
	}
}
