package initiator

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// asyncMessage makes an Asynchronous Message.
func asyncMessage(event byte, parameters ...uint16) *header {
	h := newHeader(0x32, 0x80).put(atITT, reservedTag)
	h[36] = event
	for i, v := range parameters {
		h[38+2*i], h[39+2*i] = byte(v>>8), byte(v)
	}
	return h
}

// TestAsyncLogout: "The initiator MUST honor this request by issuing a Logout as
// early as possible but no later than Parameter3 seconds. The initiator MUST send
// a Logout with a reason code of "close the connection" or "close the session"
// (RFC 7143, Section 11.9.1). Nothing new is sent before it.
func TestAsyncLogout(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login(func(c *Config) { c.ReplacementTimeout = soon })
	d := rawDisk(s, scsi.LUN{})
	done := readBlock(d, 0)
	command, _ := w.command()
	w.respond(asyncMessage(1, 0, 0, 3), nil)
	h, _ := w.expect(0x06)
	if reason := h[1] & 0x7f; reason > 1 || !h.immediate() || !h.final() {
		t.Errorf("logout %x", *h)
	}
	readBlock(d, 1)
	await(t, "a queued command", func() bool { return s.Status().Waiting == 1 })
	w.quiet()
	w.serveBlock(command, make([]byte, 512))
	if err := result(t, done); err != nil {
		t.Errorf("the command under way: %v", err)
	}
	w.respond(newHeader(0x26, 0x80).put(atITT, h.get(atITT)), nil)
	if err := w.ended(s); !errors.Is(err, errLogoutRequested) {
		t.Errorf("the connection ended with: %v", err)
	}
}

// TestAsyncLogoutGivenLong: a target may give as long as it likes for the request; commands
// do not wait for longer for its answer than they would for its slowest command.
func TestAsyncLogoutGivenLong(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login(func(c *Config) { c.FlushTimeout, c.NoopInterval = time.Second, -1 })
	w.respond(asyncMessage(1, 0, 0, 65535), nil)
	w.expect(0x06)
	w.ended(s)
}

// TestAsyncLogoutUnanswered: the connection ends all the same.
func TestAsyncLogoutUnanswered(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	start := time.Now()
	w.respond(asyncMessage(1, 0, 0, 1), nil)
	w.expect(0x06)
	w.ended(s)
	if took := time.Since(start); took > soon/2 {
		t.Errorf("after %v", took)
	}
}

// TestAsyncGoesOn: after each of these the session works, and no caller has
// seen an error.
func TestAsyncGoesOn(t *testing.T) {
	sense := []byte{0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x2a, 0x09, 0, 0, 0, 0}
	for name, c := range map[string]struct {
		m          pdu.AsyncMessage
		reconnects int
	}{
		"SCSI event":           {pdu.AsyncMessage{Event: pdu.AsyncSCSI}, 0},
		"logout":               {pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest, Parameter3: 5}, 1},
		"logout at once":       {pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest}, 1},
		"connection dropped":   {pdu.AsyncMessage{Event: pdu.AsyncDropConnection, Parameter2: 0, Parameter3: 20}, 1},
		"session dropped":      {pdu.AsyncMessage{Event: pdu.AsyncDropSession, Parameter2: 0, Parameter3: 20}, 1},
		"negotiation":          {pdu.AsyncMessage{Event: pdu.AsyncNegotiate, Parameter3: 5}, 0},
		"vendor specific":      {pdu.AsyncMessage{Event: pdu.AsyncVendor, VCode: 9}, 0},
		"unknown event":        {pdu.AsyncMessage{Event: 77}, 0},
		"tasks are terminated": {pdu.AsyncMessage{Event: pdu.AsyncTaskTerminated}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.hurry()
			stop := make(chan struct{})
			busy := async(func() error {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return nil
					default:
					}
					data := pattern(uint64(i), 4096)
					if _, err := l.disk.WriteAt(context.Background(), data, 4096); err != nil {
						return err
					}
				}
			})
			var data []byte
			if c.m.Event == pdu.AsyncSCSI {
				data = sense
			}
			l.SendAsync(c.m, data)
			await(t, "the message", func() bool { return l.s.Status().Stats.Async == 1 })
			l.awaitReconnect(c.reconnects)
			close(stop)
			if err := result(t, busy); err != nil {
				t.Error(err)
			}
			l.write(pattern(99, 512), 0)
			l.holds(pattern(99, 512), 0)
			if n := l.s.Status().Reconnects; n != c.reconnects {
				t.Errorf("%d reconnects, want %d", n, c.reconnects)
			}
		})
	}
}

// TestAsyncNegotiate: "The initiator MUST honor this request by issuing a Text
// Request (that can be empty) on the same connection as early as possible, but no
// later than Parameter3 seconds" (RFC 7143, Section 11.9.1).
func TestAsyncNegotiate(t *testing.T) {
	p := newWirePeer(t, "InitialR2T=Yes ImmediateData=Yes MaxRecvDataSegmentLength=1024")
	s, w := p.login()
	d := rawDisk(s, scsi.LUN{})
	w.respond(asyncMessage(4, 0, 0, 3), nil)
	h, data := w.expect(0x04)
	if !h.final() || h.get(atTTT) != reservedTag || h.get(atCmdSN) != w.expCmdSN || len(data) != 0 {
		t.Errorf("text request %x %q", *h, data)
	}
	w.expCmdSN++
	w.maxCmdSN++
	w.respond(newHeader(0x24, 0x80).put(atITT, h.get(atITT)).put(atTTT, reservedTag), []byte("MaxRecvDataSegmentLength=512\x00"))
	await(t, "the new limit", func() bool { return s.Status().Params.MaxXmitDataSegmentLength == 512 })
	async(func() error { _, err := d.WriteAt(context.Background(), make([]byte, 1024), 0); return err })
	if _, data := w.command(); len(data) != 512 {
		t.Errorf("%d bytes of immediate data", len(data))
	}
}

// TestAsyncTasksTerminated: the initiator must "Stop Data-Out transfers on that
// connection for all active TTTs for the affected LUN", and acknowledge "via a NOP-Out
// PDU with ITT=0xffffffff", which carries the LUN; the commands of other LUNs are not touched (RFC 7143,
// Sections 4.2.3.3 and 11.9.1).
func TestAsyncTasksTerminated(t *testing.T) {
	p := newWirePeer(t, solicited)
	s, w := p.login(func(c *Config) { c.CommandTimeout = soon })
	one, two := rawDisk(s, scsi.LUN{0, 1}), rawDisk(s, scsi.LUN{0, 2})
	first, done := w.writing(one, pattern(1, 4096))
	second, other := w.writing(two, pattern(2, 4096))
	h := asyncMessage(5)
	copy(h[atLUN:], first[atLUN:16])
	w.respond(h, nil)
	answer, _ := w.expect(0x00)
	if answer.get(atITT) != reservedTag || answer[atLUN+1] != 1 || !answer.immediate() || answer.get(atExpStatSN) != w.statSN {
		t.Errorf("acknowledgement %x", *answer)
	}
	again, _ := w.command()
	if again[atLUN+1] != 1 || again.get(atITT) == first.get(atITT) {
		t.Errorf("repeated %x", *again)
	}
	for _, c := range []struct {
		h    *header
		seed uint64
		done <-chan error
	}{{second, 2, other}, {again, 1, done}} {
		r := r2t(c.h, 5, 0, 0, 4096)
		w.inform(r, nil)
		same(t, "the data", w.burst(r, 1001), pattern(c.seed, 4096))
		w.good(c.h)
		if err := result(t, c.done); err != nil {
			t.Error(err)
		}
	}
}

// TestEpoch: a reset that the target reports makes what was written and not
// synchronized suspect: the epoch changes.
func TestEpoch(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(l *lab)
		lost bool
	}{
		"power on":        {func(l *lab) { l.lun.QueueUnitAttention(0x29, 0x01) }, true},
		"reset":           {func(l *lab) { l.lun.QueueUnitAttention(0x29, 0x00) }, true},
		"LUN reset":       {func(l *lab) { l.lun.QueueUnitAttention(0x29, 0x03) }, true},
		"capacity":        {func(l *lab) { l.lun.QueueUnitAttention(0x2a, 0x09) }, false},
		"mode parameters": {func(l *lab) { l.lun.QueueUnitAttention(0x2a, 0x01) }, false},
		"new LUNs":        {func(l *lab) { l.lun.QueueUnitAttention(0x3f, 0x0e) }, false},
		"asked again": {func(l *lab) {
			if err := l.disk.Refresh(timeout(l.t)); err != nil {
				l.t.Error(err)
			}
		}, false},
		"asynchronous event": {func(l *lab) {
			l.SendAsync(pdu.AsyncMessage{Event: pdu.AsyncSCSI},
				[]byte{0x70, 0, 6, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x29, 0x01, 0, 0, 0, 0})
			await(l.t, "the message", func() bool { return l.s.Status().Stats.Async == 1 })
		}, true},
		"deferred error": {func(l *lab) {
			sense := []byte{0x71, 0, 3, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x0c, 0x00, 0, 0, 0, 0}
			l.OnExecute(target.Once(target.SCSI(target.OpRead10)), target.AnswerWith(target.Answer{Status: 2, Sense: sense}))
		}, true},
		"new login": {func(l *lab) { l.whileDown(func() {}) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			before := l.disk.Epoch()
			c.do(l)
			l.read(512, 0)
			if changed := l.disk.Epoch() != before; changed != c.lost {
				t.Errorf("the epoch changed: %v, want %v", changed, c.lost)
			}
		})
	}
}

// TestLogoutGhosts: with the response 0 "connection or session closed successfully" the
// tasks of the session have ended; with any other (RFC 7143, Section 11.15.1) the target
// may still execute them.
func TestLogoutGhosts(t *testing.T) {
	for response := range byte(5) {
		p := newWirePeer(t, solicited)
		s, w := p.login()
		_, done := w.writing(rawDisk(s, scsi.LUN{}), pattern(1, 512))
		w.respond(asyncMessage(1, 0, 0, 3), nil)
		h, _ := w.expect(0x06)
		answer := newHeader(0x26, 0x80).put(atITT, h.get(atITT))
		answer[2] = response
		w.respond(answer, nil)
		w.ended(s)
		if err := result(t, done); !errors.Is(err, ErrSessionLost) {
			t.Errorf("response %d: the write ended with: %v", response, err)
		}
		if haunted := s.haunted(scsi.LUN{}); haunted != (response != 0) {
			t.Errorf("response %d: haunted %v", response, haunted)
		}
	}
}

// TestNegotiationAfterText: a Text Request that has been answered is not pending any more,
// however soon the target asks for the next.
func TestNegotiationAfterText(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	for range 20 {
		done := async(func() error { _, err := s.text(timeout(t), false, nil); return err })
		h, _ := w.expect(0x04)
		w.expCmdSN, w.maxCmdSN = w.expCmdSN+1, w.maxCmdSN+1
		answer := func(h *header) {
			w.respond(newHeader(0x24, 0x80).put(atITT, h.get(atITT)).put(atTTT, reservedTag), nil)
		}
		s.mu.Lock()
		answer(h)
		w.respond(asyncMessage(4, 0, 0, 30), nil)
		s.mu.Unlock()
		h, _ = w.expect(0x04)
		w.expCmdSN, w.maxCmdSN = w.expCmdSN+1, w.maxCmdSN+1
		answer(h)
		if err := result(t, done); err != nil {
			t.Fatal(err)
		}
		await(t, "the end of the negotiation", func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.conn.negotiations == 0
		})
	}
}

// TestOneTextAtATime: "An initiator MUST NOT have more than one outstanding Text Request on
// a connection at any given time" (RFC 7143, Section 11.10). A target that asks for a
// negotiation gets none where "a Text Request is already pending on the connection"
// (Section 11.9.1); one that is under way because it asked is waited for.
func TestOneTextAtATime(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	ours := func() <-chan error {
		return async(func() error {
			_, err := s.text(timeout(t), false, []pdu.KeyValue{{Key: "SendTargets", Value: ""}})
			return err
		})
	}
	answer := func(h *header) {
		w.expCmdSN, w.maxCmdSN = w.expCmdSN+1, w.maxCmdSN+1
		w.respond(newHeader(0x24, 0x80).put(atITT, h.get(atITT)).put(atTTT, reservedTag), nil)
	}
	done := ours()
	h, _ := w.expect(0x04)
	w.respond(asyncMessage(4, 0, 0, 3), nil)
	w.quiet()
	answer(h)
	if err := result(t, done); err != nil {
		t.Error(err)
	}
	w.quiet()
	w.respond(asyncMessage(4, 0, 0, 3), nil)
	h, _ = w.expect(0x04)
	done = ours()
	w.quiet()
	answer(h)
	h, data := w.expect(0x04)
	if string(data) != "SendTargets=\x00" {
		t.Errorf("text %q", data)
	}
	answer(h)
	if err := result(t, done); err != nil {
		t.Error(err)
	}
}
