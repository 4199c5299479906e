package initiator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

const flood = 2000 // messages

// TestAsyncFlood: many requests of the target at once take one goroutine, one answer and
// few lines of the log.
func TestAsyncFlood(t *testing.T) {
	for name, c := range map[string]struct{ event, answer byte }{
		"negotiate": {4, 0x04},
		"logout":    {1, 0x06},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWirePeer(t, "")
			var log bytes.Buffer
			s, w := p.login(func(c *Config) { c.Logger = zerolog.New(&log).Level(zerolog.InfoLevel) })
			before := runtime.NumGoroutine()
			for range flood {
				w.respond(asyncMessage(c.event, 0, 0, 60), nil)
			}
			await(t, "all messages", func() bool { return s.Status().Stats.Async == flood })
			if n := runtime.NumGoroutine() - before; n > 5 {
				t.Errorf("%d goroutines more", n)
			}
			w.expect(c.answer)
			w.quiet()
			w.nc.Close()
			await(t, "the end", func() bool { return s.Status().State != LoggedIn })
			s.Close()
			if n := strings.Count(log.String(), "asynchronous message"); n == 0 || n > 10 {
				t.Errorf("%d lines in the log", n)
			}
		})
	}
}

// TestPingsNotTaken: a target that pings and takes no answer costs a connection, not
// memory.
func TestPingsNotTaken(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	go func() {
		ping := w.number(newHeader(0x20, 0x80).put(atITT, reservedTag).put(atTTT, 1))
		many := bytes.Repeat(ping[:], 1000)
		for range 1000 {
			if _, err := w.nc.Write(many); err != nil {
				return
			}
		}
	}()
	await(t, "the end", func() bool { return s.Status().State != LoggedIn })
	if err := s.Status().Reason; !errors.Is(err, ErrProtocol) {
		t.Error(err)
	}
}

// TestRejectFlood: a Reject for nothing that was sent ends the connection, however many
// follow.
func TestRejectFlood(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	for range flood {
		w.reject(0x04, newHeader(0x01, 0x80).put(atITT, 0x7fff0001))
	}
	await(t, "the end", func() bool { return s.Status().State != LoggedIn })
	if n := s.Status().Stats.Rejects; n > 10 {
		t.Errorf("%d were read", n)
	}
}

// TestFullReport: all numbers of flat space addressing, which need a second, longer
// REPORT LUNS, and the same that claims ever more than fits.
func TestFullReport(t *testing.T) {
	const luns = 1 << 14
	list := make([]byte, 8+8*luns)
	for n := range luns {
		list[8+8*n], list[8+8*n+1] = 0x40|byte(n>>8), byte(n)
	}
	for name, grows := range map[string]bool{"honest": false, "grows": true} {
		t.Run(name, func(t *testing.T) {
			p := newWirePeer(t, "MaxRecvDataSegmentLength=262144")
			s, w := p.login()
			done := async(func() error {
				got, err := s.LUNs(context.Background())
				if err == nil && (len(got) != luns || got[luns-1] != (scsi.LUN{0x7f, 0xff})) {
					err = fmt.Errorf("%d LUNs, the last %v", len(got), got[len(got)-1])
				}
				return err
			})
			for range 20 {
				h, _ := w.read()
				if h == nil || h.opcode() != 0x01 {
					break
				}
				w.expCmdSN, w.maxCmdSN = w.expCmdSN+1, w.maxCmdSN+1
				alloc := int(h[32+6])<<24 | int(h[32+7])<<16 | int(h[32+8])<<8 | int(h[32+9])
				claims := 8 * luns
				if grows {
					claims = alloc
				}
				copy(list, []byte{byte(claims >> 24), byte(claims >> 16), byte(claims >> 8), byte(claims)})
				w.respond(dataIn(h, 0x81, 0, 0), list[:min(alloc, len(list))])
				if alloc >= len(list) {
					break
				}
			}
			if err := result(t, done); (err != nil) != grows {
				t.Error(err)
			}
		})
	}
}

// TestLongDeviceIdentification: a page 83h that claims 64 KiB, and brings what it is
// asked for, is read as far as it goes.
func TestLongDeviceIdentification(t *testing.T) {
	l := newTargetLab(t)
	l.login()
	l.OnSend(target.OfCommand(target.OpInquiry), target.Edit(func(p *target.PDU) {
		if len(p.Data) > 4 && p.Data[1] == byte(scsi.VPDDeviceIdentification) {
			one := append([]byte(nil), p.Data[4:]...)
			copy(p.Data[2:4], []byte{0xff, 0xff})
			for len(p.Data)+len(one) <= 4096 {
				p.Data = append(p.Data, one...)
			}
		}
	}))
	d, err := l.s.OpenDisk(timeout(t), scsi.LUN{})
	if err != nil {
		t.Fatal(err)
	}
	if d.Info().UdevID == "" {
		t.Error("no identity")
	}
}

// TestManyTargets: SendTargets of 10,000 targets gives all of them; a list without end
// is not taken.
func TestManyTargets(t *testing.T) {
	const many = 10000
	var keys []pdu.KeyValue
	for n := range many {
		keys = append(keys, pdu.KeyValue{Key: "TargetName", Value: fmt.Sprintf("iqn.2026-11.org.example:%d", n)},
			pdu.KeyValue{Key: "TargetAddress", Value: "192.0.2.1:3260,1"})
	}
	text := pdu.AppendKeys(nil, keys...)
	if len(text) > pdu.MaxTextLength {
		t.Fatalf("%d bytes are more than is read, %d", len(text), pdu.MaxTextLength)
	}
	records, skipped, err := parseSendTargets(keys)
	if err != nil || len(records) != many || len(skipped) != 0 {
		t.Errorf("%d targets, %d skipped, %v", len(records), len(skipped), err)
	}
}
