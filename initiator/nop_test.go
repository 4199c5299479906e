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

// ping sends a NOP-In that wants an answer.
func (w *wire) ping(ttt uint32, lun byte) {
	h := newHeader(0x20, 0x80).put(atITT, reservedTag).put(atTTT, ttt)
	h[atLUN+1] = lun
	w.inform(h, nil)
}

// TestPingAnswered: where no answer is wanted "the Initiator Task Tag MUST be set to
// 0xffffffff", and then "the I bit MUST be set to 1 and the CmdSN is not advanced after
// this PDU is sent" (RFC 7143, Section 11.18.1); the Target Transfer Tag and the LUN are
// copied from the NOP-In (Section 11.18.2). It goes out with a closed window too.
func TestPingAnswered(t *testing.T) {
	p := newWirePeer(t, "")
	p.window = 0
	s, w := p.login()
	readBlock(rawDisk(s, scsi.LUN{}), 0)
	for i := range uint32(100) {
		w.ping(i, byte(i))
		h, data := w.expect(0x00)
		want := header{0: 0x40, 1: 0x80, 9: byte(i)}
		want.put(atITT, reservedTag).put(atTTT, i).put(atCmdSN, w.expCmdSN).put(atExpStatSN, w.statSN)
		if *h != want || len(data) != 0 {
			t.Fatalf("answer\ngot  %x\nwant %x", *h, want)
		}
	}
}

// TestStatSN: what advances ExpStatSN. A NOP-In with the Initiator Task Tag
// 0xffffffff, an R2T and a Data-In without status carry "the next StatSN" which
// "is not advanced after" them (RFC 7143, Sections 11.7.4, 11.8.3 and 11.19.2).
// EqualLogic's targets drop a connection that acknowledges what they never sent.
func TestStatSN(t *testing.T) {
	for name, c := range map[string]struct {
		send func(w *wire, read, write *header)
		by   uint32
	}{
		"NOP-In without an answer": {func(w *wire, _, _ *header) {
			w.inform(newHeader(0x20, 0x80).put(atITT, reservedTag).put(atTTT, reservedTag), nil)
		}, 0},
		"NOP-In with a ping":     {func(w *wire, _, _ *header) { w.ping(5, 0) }, 0},
		"R2T":                    {func(w *wire, _, write *header) { w.inform(r2t(write, 7, 0, 0, 512), nil) }, 0},
		"Data-In without status": {func(w *wire, read, _ *header) { w.inform(dataIn(read, 0, 0, 0), make([]byte, 100)) }, 0},
		"Data-In with status":    {func(w *wire, read, _ *header) { w.respond(dataIn(read, 0x81, 0, 0), make([]byte, 512)) }, 1},
		"SCSI Response":          {func(w *wire, _, write *header) { w.good(write) }, 1},
		"Asynchronous Message": {func(w *wire, _, _ *header) {
			h := newHeader(0x32, 0x80).put(atITT, reservedTag)
			h[36] = 255
			w.respond(h, nil)
		}, 1},
		"Reject": {func(w *wire, _, write *header) {
			h := newHeader(0x3f, 0x80).put(atITT, reservedTag)
			h[2] = 0x05
			w.respond(h, newHeader(0x04, 0x80).put(atITT, 0x123)[:]) // a Text Request
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWirePeer(t, solicited)
			s, w := p.login()
			d := rawDisk(s, scsi.LUN{})
			readBlock(d, 0)
			read, _ := w.command()
			write, _ := w.writing(d, make([]byte, 512))
			before := w.statSN
			c.send(w, read, write)
			w.ping(0x99, 0)
			for {
				h, _ := w.read()
				if h == nil {
					t.Fatal("the connection ended")
				}
				if h.opcode() == 0 && h.get(atTTT) == 0x99 {
					if got := h.get(atExpStatSN) - before; got != c.by {
						t.Errorf("ExpStatSN went up by %d, want %d", got, c.by)
					}
					return
				}
			}
		})
	}
}

// TestPingDuringWrite: answers to pings do not wait for the data of a large
// write.
func TestPingDuringWrite(t *testing.T) {
	p := newWirePeer(t, "InitialR2T=Yes ImmediateData=No MaxBurstLength=16776192 MaxRecvDataSegmentLength=65536")
	s, w := p.login()
	const length = 15 << 20
	x := newCommand(scsi.LUN{}, scsi.Write16(0, length/512, false), soon)
	x.write, x.data = true, newVector([][]byte{make([]byte, length)})
	done := async(func() error {
		if err := s.submit(x); err != nil {
			return err
		}
		return s.finish(context.Background(), x)
	})
	command, _ := w.command()
	w.inform(r2t(command, 1, 0, 0, length), nil)
	w.expect(0x05)
	w.ping(0x77, 3)
	answered, received := false, 65536
	for received < length {
		h, data := w.read()
		if h == nil {
			t.Fatal("the connection ended")
		}
		received += len(data)
		if h.opcode() == 0 {
			answered = true
			t.Logf("answered after %d bytes", received)
		}
	}
	if !answered {
		t.Error("the ping waited for the whole write")
	}
	w.good(command)
	if err := result(t, done); err != nil {
		t.Error(err)
	}
}

// TestOwnPing: a silent target is asked for a sign of life, with a valid Initiator Task
// Tag, without which no answer comes, and otherwise than in answer to a NOP-In "the Target
// Transfer Tag MUST be set to 0xffffffff" (RFC 7143, Sections 11.18.1 and 11.18.2).
func TestOwnPing(t *testing.T) {
	p := newWirePeer(t, "")
	_, w := p.login(func(c *Config) { c.NoopInterval, c.NoopTimeout = 50*time.Millisecond, soon })
	for range 3 {
		h, _ := w.expect(0x00)
		if h.get(atITT) == reservedTag || h.get(atTTT) != reservedTag || !h.immediate() || !h.final() || h.get(atCmdSN) != w.expCmdSN {
			t.Fatalf("ping %x", *h)
		}
		w.respond(newHeader(0x20, 0x80).put(atITT, h.get(atITT)).put(atTTT, reservedTag), nil)
	}
}

// TestSilenceEndsConnection: no byte for NoopInterval and NoopTimeout.
func TestSilenceEndsConnection(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login(func(c *Config) { c.NoopInterval, c.NoopTimeout = 50*time.Millisecond, 100*time.Millisecond })
	start := time.Now()
	if err := w.ended(s); !errors.Is(err, ErrTimeout) {
		t.Errorf("the connection ended with: %v", err)
	}
	if took := time.Since(start); took < 100*time.Millisecond || took > soon/2 {
		t.Errorf("after %v", took)
	}
	if s.Status().Stats.Timeouts != 1 {
		t.Errorf("%+v", s.Status().Stats)
	}
}

// TestAnyByteIsLife: a target that sends anything is not asked, and one that
// does not answer a ping but sends other things lives.
func TestAnyByteIsLife(t *testing.T) {
	p := newWirePeer(t, "")
	const interval = time.Second // of which a busy machine sleeps through little
	s, w := p.login(func(c *Config) { c.NoopInterval, c.NoopTimeout = interval, interval })
	for begun := time.Now(); time.Since(begun) < 2*interval+interval/10; { // for longer than both together
		w.inform(newHeader(0x20, 0x80).put(atITT, reservedTag).put(atTTT, reservedTag), nil)
		<-time.After(10 * time.Millisecond)
	}
	if n := s.Status().Stats.NOPOut; n != 0 {
		t.Errorf("%d pings to a target that is not idle", n)
	}
	h, _ := w.expect(0x00)
	// Not answered; the bytes of a PDU trickle in instead.
	slow := w.number(newHeader(0x20, 0x80).put(atITT, reservedTag).put(atTTT, reservedTag))
	for _, b := range slow[:] {
		w.nc.Write([]byte{b})
		<-time.After(interval / 40) // 48 times
	}
	if s.Status().State != LoggedIn {
		t.Fatal(s.Status().Reason)
	}
	// A late answer is taken for what it is, and then the next ping comes.
	w.respond(newHeader(0x20, 0x80).put(atITT, h.get(atITT)).put(atTTT, reservedTag), nil)
	second, _ := w.expect(0x00)
	if second.get(atITT) == h.get(atITT) {
		t.Error("the next ping has the tag of the last")
	}
	w.respond(newHeader(0x20, 0x80).put(atITT, second.get(atITT)).put(atTTT, reservedTag), nil)
	w.quiet()
}

// TestPingsOff: with pings turned off silence is no reason to end
// anything.
func TestPingsOff(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login(func(c *Config) { c.NoopInterval, c.NoopTimeout = -1, 10*time.Millisecond })
	<-time.After(200 * time.Millisecond)
	w.quiet()
	if st := s.Status(); st.State != LoggedIn || st.Stats.NOPOut != 1 {
		t.Errorf("%+v", st)
	}
}

// TestPingFlood: every one of many pings at once is answered.
func TestPingFlood(t *testing.T) {
	l := newLab(t)
	for range 100 {
		l.Ping(nil)
	}
	await(t, "all answers", func() bool { return l.Counters().Pongs == 100 })
	l.read(4096, 0)
}

// TestSilentTargetRecovers: a target that hangs is left, and the command is
// carried out on the next connection.
func TestSilentTargetRecovers(t *testing.T) {
	l := newLab(t, func(_ *target.Config, c *Config) {
		c.NoopInterval, c.NoopTimeout = 50*time.Millisecond, 100*time.Millisecond
	})
	gate := target.NewGate()
	defer gate.Release()
	stall := l.OnReceive(target.Once(target.SCSI(target.OpWrite10)), target.Stall(gate))
	l.hurry()
	l.write(pattern(1, 512), 0)
	if stall.Count() != 1 || l.s.Status().Reconnects != 1 {
		t.Errorf("stalls %d, reconnects %d", stall.Count(), l.s.Status().Reconnects)
	}
	l.holds(pattern(1, 512), 0)
}

// TestCommandTimeout: a command that makes no progress is aborted when its timeout
// is over, and sent again; the connection goes on.
func TestCommandTimeout(t *testing.T) {
	l := newLab(t, func(_ *target.Config, c *Config) { c.CommandTimeout = 200 * time.Millisecond })
	l.OnExecute(target.Once(target.SCSI(target.OpWrite10)), target.Drop())
	l.hurry()
	start := time.Now()
	l.write(pattern(1, 512), 0)
	if took := time.Since(start); took < 200*time.Millisecond {
		t.Errorf("after %v", took)
	}
	l.holds(pattern(1, 512), 0)
	if st := l.s.Status(); st.Reconnects != 0 || st.Stats.Timeouts != 1 {
		t.Errorf("reconnects %d, timeouts %d", st.Reconnects, st.Stats.Timeouts)
	}
	if tm := l.Counters().TaskManagement; !slices.Equal(tm, []pdu.TaskMgmtFunction{pdu.AbortTask}) {
		t.Errorf("task management: %v", tm)
	}
}
