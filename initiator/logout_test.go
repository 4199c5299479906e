package initiator

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// TestLogoutOnWire: reason 0 closes the session; the request is immediate, so
// that no closed window stops it (RFC 7143, Section 11.14).
func TestLogoutOnWire(t *testing.T) {
	p := newWirePeer(t, "")
	p.window = 0
	s, w := p.login()
	done := async(func() error { return s.Logout(context.Background()) })
	h, _ := w.expect(0x06)
	want := header{0: 0x46, 1: 0x80}
	want.put(atITT, h.get(atITT)).put(atCmdSN, w.expCmdSN).put(atExpStatSN, w.statSN)
	if *h != want {
		t.Errorf("Logout Request\ngot  %x\nwant %x", *h, want)
	}
	w.respond(newHeader(0x26, 0x80).put(atITT, h.get(atITT)), nil)
	if err := result(t, done); err != nil {
		t.Error(err)
	}
	if h, _ := w.read(); h != nil {
		t.Errorf("%x after the logout", h)
	}
	if st := s.Status().State; st != Closed {
		t.Errorf("state %v", st)
	}
}

// TestNothingFollowsLogout: "After sending the Logout Request PDU, an initiator MUST
// NOT send any new iSCSI requests on the closing connection" (RFC 7143, 11.14),
// not even those of the session's own. A ping of the target is answered, which shows
// that nothing was sent before.
func TestNothingFollowsLogout(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	done := async(func() error { return s.Logout(context.Background()) })
	h, _ := w.expect(0x06)
	own := async(func() error {
		_, err := s.query(context.Background(), true, scsi.LUN{}, scsi.TestUnitReady(), nil)
		return err
	})
	await(t, "the command", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.ownCmds.len == 1
	})
	w.quiet()
	w.respond(newHeader(0x26, 0x80).put(atITT, h.get(atITT)), nil)
	if h, _ := w.read(); h != nil {
		t.Errorf("%x after the Logout Request", *h)
	}
	if err := result(t, done); err != nil {
		t.Error(err)
	}
	if err := result(t, own); err == nil {
		t.Error("a command that was never sent succeeds")
	}
}

// TestNoPingAfterLogout: a target that takes its time for the answer to a logout is not
// blamed for a ping that was not sent, as nothing follows a Logout Request.
func TestNoPingAfterLogout(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login(func(c *Config) { c.NoopInterval, c.NoopTimeout = time.Hour, time.Hour })
	done := async(func() error { return s.Logout(context.Background()) })
	h, _ := w.expect(0x06)
	dog := watchdog{c: s.conn, rx: s.stats.rxOctets.Load(), heard: time.Now()}
	for _, later := range []time.Duration{s.cfg.NoopInterval, s.cfg.NoopInterval + s.cfg.NoopTimeout} {
		if err := dog.check(dog.heard.Add(later)); err != nil {
			t.Errorf("after %v: %v", later, err)
		}
	}
	w.respond(newHeader(0x26, 0x80).put(atITT, h.get(atITT)), nil)
	if err := result(t, done); err != nil {
		t.Error(err)
	}
}

// TestLogoutRefused: the session is closed all the same.
func TestLogoutRefused(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	done := async(func() error { return s.Logout(context.Background()) })
	h, _ := w.expect(0x06)
	r := newHeader(0x26, 0x80).put(atITT, h.get(atITT))
	r[2] = 3
	w.respond(r, nil)
	if err := result(t, done); err == nil {
		t.Error("a refused logout succeeds")
	}
	if st := s.Status().State; st != Closed {
		t.Errorf("state %v", st)
	}
}

// TestEndInEveryState: Close and Logout return soon whatever the session does,
// callers are told, and nothing is left (see newTargetLab).
func TestEndInEveryState(t *testing.T) {
	ends := map[string]func(s *Session) error{
		"Close": (*Session).Close,
		"Logout": func(s *Session) error {
			ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			defer cancel()
			err := s.Logout(ctx)
			if errors.Is(err, ErrClosed) || errors.Is(err, context.DeadlineExceeded) {
				err = nil // the target is silent in some of the states
			}
			return err
		},
	}
	states := map[string]func(l *lab, gate *target.Gate){
		"logged in": func(l *lab, _ *target.Gate) {},
		"with commands": func(l *lab, gate *target.Gate) {
			r := l.OnExecute(target.SCSI(target.OpWrite10), target.Hold(gate))
			async(func() error { _, err := l.disk.WriteAt(context.Background(), make([]byte, 1<<20), 0); return err })
			r.Await(1, soon)
		},
		"target silent": func(l *lab, gate *target.Gate) {
			r := l.OnReceive(target.SCSI(target.OpWrite10), target.Stall(gate))
			async(func() error { _, err := l.disk.WriteAt(context.Background(), make([]byte, 4<<20), 0); return err })
			r.Await(1, soon)
		},
		"waiting to log in": func(l *lab, _ *target.Gate) {
			l.CutConnections()
			l.awaitState(Recovering)
		},
		"portal refuses": func(l *lab, _ *target.Gate) {
			l.StopListening()
			l.hurry()
			l.CutConnections()
			await(l.t, "an attempt that fails", func() bool {
				var e net.Error
				return errors.As(l.s.Status().Reason, &e)
			})
		},
		"in the middle of a login": func(l *lab, gate *target.Gate) {
			r := l.OnReceive(target.Opcode(pdu.OpLoginReq), target.Hold(gate))
			l.hurry()
			l.CutConnections()
			r.Await(1, soon)
		},
		"in the middle of the verification": func(l *lab, gate *target.Gate) {
			r := l.OnExecute(target.SCSI(target.OpInquiry), target.Hold(gate))
			l.hurry()
			l.CutConnections()
			r.Await(1, soon)
		},
		"while the target asks for a logout": func(l *lab, gate *target.Gate) {
			r := l.OnSend(target.Opcode(pdu.OpLogoutResp), target.Hold(gate))
			l.SendAsync(pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest, Parameter3: 100}, nil)
			r.Await(1, soon)
		},
		"with a LUN away": func(l *lab, _ *target.Gate) {
			l.RemoveLUN(0)
			readBlock(l.disk, 0)
			awaitDisk(l.t, l.disk, DiskAway)
		},
		"with a reset under way": func(l *lab, _ *target.Gate) {
			r := l.OnReceive(target.Opcode(pdu.OpTaskMgmtReq), target.Drop())
			async(func() error { return l.disk.Reset(context.Background()) })
			r.Await(1, soon)
		},
		"with an abort under way": func(l *lab, gate *target.Gate) {
			l.OnExecute(target.SCSI(target.OpRead10), target.Hold(gate))
			r := l.OnReceive(target.Opcode(pdu.OpTaskMgmtReq), target.Drop())
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
			l.t.Cleanup(cancel)
			readWith(ctx, l.disk)
			r.Await(1, soon)
		},
		"closed": func(l *lab, _ *target.Gate) { l.s.Close() },
	}
	for endName, end := range ends {
		for stateName, reach := range states {
			t.Run(endName+" "+stateName, func(t *testing.T) {
				l := newLab(t)
				gate := target.NewGate()
				t.Cleanup(gate.Release)
				reach(l, gate)
				waiting := readBlock(l.disk, 0)
				start := time.Now()
				if err := end(l.s); err != nil {
					t.Error(err)
				}
				if took := time.Since(start); took > soon/2 {
					t.Errorf("it took %v", took)
				}
				if err := result(t, waiting); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrSessionLost) {
					t.Errorf("a read under way: %v", err)
				}
				if err := result(t, readBlock(l.disk, 0)); !errors.Is(err, ErrClosed) {
					t.Errorf("a read afterwards: %v", err)
				}
				select {
				case <-l.s.Done():
				default:
					t.Error("Done is not closed")
				}
				if st := l.s.Status().State; st != Closed {
					t.Errorf("state %v", st)
				}
			})
		}
	}
}

// TestEndTwice: any number of ends at the same time is fine.
func TestEndTwice(t *testing.T) {
	l := newLab(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if i%2 == 0 {
				l.s.Close()
			} else {
				l.s.Logout(context.Background())
			}
		})
	}
	wg.Wait()
	if _, err := l.s.LUNs(context.Background()); !errors.Is(err, ErrClosed) {
		t.Errorf("LUNs: %v", err)
	}
	if _, err := l.s.OpenDisk(context.Background(), scsi.LUN{}); !errors.Is(err, ErrClosed) {
		t.Errorf("OpenDisk: %v", err)
	}
}

// TestLostConnectionForgets: a connection that is given up ends with a reset, so that the
// kernel delivers nothing later of what the target has not taken yet: it could overwrite
// what was written since. One that was logged out ends in order.
func TestLostConnectionForgets(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(s *Session, w *wire)
		want error
	}{
		"given up": {func(s *Session, _ *wire) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.conn.failLocked(ErrTimeout)
		}, syscall.ECONNRESET},
		"logged out": {func(s *Session, w *wire) {
			done := async(func() error { return s.Logout(timeout(t)) })
			h, _ := w.expect(0x06)
			w.respond(newHeader(0x26, 0x80).put(atITT, h.get(atITT)), nil)
			if err := result(t, done); err != nil {
				t.Error(err)
			}
		}, io.EOF},
	} {
		p := newWirePeer(t, "")
		s, w := p.login()
		c.end(s, w)
		w.nc.SetReadDeadline(time.Now().Add(soon))
		var err error
		for b := make([]byte, 64); err == nil; {
			_, err = w.nc.Read(b)
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: the target's end sees %v, want %v", name, err, c.want)
		}
	}
}
