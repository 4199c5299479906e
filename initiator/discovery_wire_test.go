package initiator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/integration/target"
)

// TestDiscover: SendTargets with answers in one PDU, cut anywhere with the C
// bit, and spread over exchanges with F=0 and a Target Transfer Tag (RFC 7143,
// Sections 6.2 and 11.11, Appendix C).
func TestDiscover(t *testing.T) {
	for _, n := range []int{1, 2, 500} {
		for _, split := range []struct {
			text int
			key  bool
		}{{0, false}, {1, false}, {37, false}, {0, true}} {
			if n == 500 && split.text == 1 {
				continue // 30,000 exchanges
			}
			l := newTargetLab(t, func(tc *target.Config, _ *Config) {
				for i := 1; i < n; i++ {
					tc.Others = append(tc.Others, target.Node{IQN: fmt.Sprintf("iqn.2026-11.org.example:other%d", i), Addresses: []string{
						fmt.Sprintf("192.0.2.1:%d,2", 1000+i), "[2001:db8::1]:3260,3"}})
				}
				tc.TextSplit, tc.TextByKey = split.text, split.key
			})
			found, err := Discover(timeout(t), l.cfg)
			if err != nil {
				t.Fatalf("%d targets, %+v: %v", n, split, err)
			}
			if len(found) != n {
				t.Fatalf("%+v: %d targets, want %d", split, len(found), n)
			}
			for i, d := range found {
				if i == 0 {
					if d.Name != l.cfg.TargetName || len(d.Portals) != 1 || d.Portals[0] != (DiscoveredPortal{l.Addr(), 1}) {
						t.Errorf("%+v", d)
					}
					continue
				}
				if len(d.Portals) != 2 || d.Portals[1] != (DiscoveredPortal{"[2001:db8::1]:3260", 3}) {
					t.Errorf("%+v", d)
				}
			}
		}
	}
}

// TestDiscoverNothing: a portal may have no target for this initiator.
func TestDiscoverNothing(t *testing.T) {
	p := newWirePeer(t, "")
	done := async(func() error {
		cfg := *testConfig()
		cfg.Portals = []string{p.listen.Addr().String()}
		found, err := Discover(timeout(t), cfg)
		if len(found) != 0 {
			t.Errorf("found %+v", found)
		}
		return err
	})
	w := p.accept()
	defer w.nc.Close()
	h, data := w.expect(0x04)
	if string(data) != "SendTargets=All\x00" || !h.final() || h.get(atTTT) != reservedTag || h.immediate() {
		t.Errorf("%x %q", *h, data)
	}
	w.expCmdSN++
	w.maxCmdSN++
	w.respond(newHeader(0x24, 0x80).put(atITT, h.get(atITT)).put(atTTT, reservedTag), nil)
	h, _ = w.expect(0x06)
	w.respond(newHeader(0x26, 0x80).put(atITT, h.get(atITT)), nil)
	if err := result(t, done); err != nil {
		t.Error(err)
	}
}

// TestTextContinues: the rest of an answer is asked for in the same task, with the
// target's tag: "the Initiator Task Tag MUST be the same for all the requests within the
// sequence", and "the initiator MUST copy the Target Transfer Tag and LUN in its next
// request", each with a CmdSN of its own (RFC 7143, Sections 11.10.3 and 11.11.4). A key
// may be cut in the middle.
func TestTextContinues(t *testing.T) {
	p := newWirePeer(t, "")
	s, w := p.login()
	var keys []pdu.KeyValue
	done := async(func() (err error) {
		keys, err = s.text(context.Background(), false, []pdu.KeyValue{{Key: "SendTargets", Value: ""}})
		return err
	})
	parts := []string{"TargetNa", "me=iqn.2026-11.org.exam", "ple:a\x00", "", "TargetAddress=[::1]:3260,1\x00"}
	var itt uint32
	for i, part := range parts {
		h, data := w.expect(0x04)
		if i == 0 {
			itt = h.get(atITT)
		} else if len(data) != 0 || h.get(atTTT) != uint32(0x1000+i) || h.get(atLUN) != uint32(0x70000+i) {
			t.Errorf("%d: %x %q", i, *h, data)
		}
		if h.get(atITT) != itt || h.get(atCmdSN) != w.expCmdSN || !h.final() {
			t.Errorf("%d: %x", i, *h)
		}
		w.expCmdSN++
		w.maxCmdSN++
		r := newHeader(0x24, 0x40).put(atLUN, uint32(0x70000+i+1)).put(atITT, itt).put(atTTT, uint32(0x1000+i+1))
		if i >= 2 {
			r[1] = 0 // the keys are whole, and there are more
		}
		if i == len(parts)-1 {
			r[1] = 0x80
			r.put(atTTT, reservedTag)
		}
		w.respond(r, []byte(part))
	}
	if err := result(t, done); err != nil {
		t.Fatal(err)
	}
	if len(keys) != 2 || keys[0].Value != "iqn.2026-11.org.example:a" || keys[1].Value != "[::1]:3260,1" {
		t.Errorf("%+v", keys)
	}
}

// TestTextFaults: an answer that never ends, one that goes on without a tag,
// and one that is no text.
func TestTextFaults(t *testing.T) {
	answer := func(w *wire, flags byte, ttt uint32, data string) {
		h, _ := w.read()
		if h == nil || h.opcode() != 0x04 {
			return
		}
		w.expCmdSN++
		w.maxCmdSN++
		w.respond(newHeader(0x24, flags).put(atITT, h.get(atITT)).put(atTTT, ttt), []byte(data))
	}
	for name, serve := range map[string]func(w *wire){
		"without a tag": func(w *wire) { answer(w, 0, reservedTag, "X=1\x00") },
		"no text":       func(w *wire) { answer(w, 0x80, reservedTag, "nonsense") },
		"without end": func(w *wire) {
			for range pdu.MaxTextLength/200000 + 1 {
				answer(w, 0, 1, strings.Repeat("X=1\x00", 50000))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWirePeer(t, "")
			s, w := p.login()
			done := async(func() error {
				_, err := s.text(context.Background(), false, []pdu.KeyValue{{Key: "SendTargets", Value: "All"}})
				return err
			})
			serve(w)
			if err := result(t, done); err == nil || !errors.Is(err, ErrProtocol) && !errors.Is(err, ErrSessionLost) {
				t.Errorf("got %v", err)
			}
		})
	}
}
