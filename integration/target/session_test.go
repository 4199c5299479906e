package target

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

func TestReinstatement(t *testing.T) {
	target := start(t, Config{})
	old := dial(t, target).login()
	fresh := dial(t, target).login()
	if u := old.read(); u != nil {
		t.Errorf("the old session answers %v", u)
	}
	fresh.ping()
	sessions := target.Sessions()
	if len(sessions) != 1 || sessions[0].TSIH != fresh.tsih || sessions[0].Target != testIQN || !cmp.Equal(sessions[0].Connections, []uint16{7}) {
		t.Errorf("%+v", sessions)
	}
}

func TestUnitAttentions(t *testing.T) {
	l := NewMemoryLUN(1<<20, 512)
	target := start(t, Config{LUNs: []*LUN{l}})
	p := dial(t, target).login()
	ready := func(key, code, qualifier byte) {
		t.Helper()
		p.write(p.command([]byte{OpTestUnitReady}, 0), nil)
		_, status, sense := p.response()
		if key == 0 && status == statusGood || senseIs(sense, key, code, qualifier) {
			return
		}
		t.Errorf("status %#x, sense % x, expected %x/%x/%x", status, sense, key, code, qualifier)
	}
	ready(6, 0x29, 0)
	ready(0, 0, 0)
	if err := l.SetSize(2 << 20); err != nil {
		t.Fatal(err)
	}
	if err := target.AddLUN(5, NewMemoryLUN(1<<20, 512)); err != nil {
		t.Fatal(err)
	}
	ready(6, 0x2a, 9)
	ready(6, 0x3f, 0x0e)
	ready(0, 0, 0)
	target.RemoveLUN(5)
	p.write(reading(p.command([]byte{OpReportLUNs, 0, 0, 0, 0, 0, 0, 0, 0, 16}, 16)), nil)
	if data, _, _ := p.response(); !bytes.Equal(data, []byte{0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}) {
		t.Errorf("REPORT LUNS gave % x", data)
	}
	ready(0, 0, 0) // REPORT LUNS has cleared 3F/0E
}

func TestPowerCut(t *testing.T) {
	target := start(t, Config{LUNs: []*LUN{NewMemoryLUN(1<<20, 512, WriteCache())}, QuietLogin: true})
	p := dial(t, target).login()
	put := func(lba byte, content byte, fuaBit byte) {
		cdb := write10(lba, 1)
		cdb[1] = fuaBit
		p.write(writing(p.command(cdb, 512)), block(content))
		p.response()
	}
	put(0, 1, 0)
	p.write(p.command([]byte{OpSynchronizeCache10}, 0), nil)
	p.response()
	put(0, 2, 0)
	put(1, 3, fua)
	put(2, 4, 0)
	if err := target.PowerCut(); err != nil {
		t.Fatal(err)
	}
	for lba, want := range []byte{1, 3, 0} {
		if got := blockAt(target, int64(lba)); !bytes.Equal(got, block(want)) {
			t.Errorf("block %d holds %d, expected %d", lba, got[0], want)
		}
	}
	if target.Counters().SynchronizeCache != 1 || len(target.Sessions()) != 0 {
		t.Errorf("%+v", target.Counters())
	}
}

func TestCommandOrder(t *testing.T) {
	target := start(t, Config{QuietLogin: true})
	p := dial(t, target).login()
	first, second := reading(p.command(read10(0, 1), 512)), reading(p.command(read10(1, 1), 512))
	p.write(second, nil)
	p.ping() // immediate: overtakes
	p.write(first, nil)
	for _, want := range []uint32{first.ITT, second.ITT} {
		if u := p.read(); u.Header.ITT() != want {
			t.Errorf("ITT %d, expected %d", u.Header.ITT(), want)
		}
	}
}

// TestDataIn checks how reads are cut.
func TestDataIn(t *testing.T) {
	target := start(t, Config{QuietLogin: true})
	p := dial(t, target).login(pdu.KeyValue{Key: "MaxRecvDataSegmentLength", Value: "1024"}, pdu.KeyValue{Key: "MaxBurstLength", Value: "1536"})
	p.write(reading(p.command(read10(0, 6), 3072)), nil)
	type piece struct {
		offset, sn uint32
		length     int
		final      bool
		status     bool
	}
	var got []piece
	for {
		u := p.read()
		var d pdu.DataIn
		if err := d.Unmarshal(&u.Header); err != nil {
			t.Fatal(err)
		}
		got = append(got, piece{d.BufferOffset, d.DataSN, len(u.Data), d.Final, d.HasStatus})
		if d.HasStatus {
			break
		}
	}
	want := []piece{{0, 0, 1024, false, false}, {1024, 1, 512, true, false}, {1536, 2, 1024, false, false}, {2560, 3, 512, true, true}}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(piece{})); d != "" {
		t.Error(d)
	}
}

func TestReverseR2T(t *testing.T) {
	target := start(t, Config{QuietLogin: true, Strict: true, ReverseR2T: true, Params: func() *Params {
		p := DefaultParams()
		p.DataSequenceInOrder = false
		return &p
	}()})
	p := dial(t, target).login(pdu.KeyValue{Key: "MaxBurstLength", Value: "512"}, pdu.KeyValue{Key: "DataSequenceInOrder", Value: "No"},
		pdu.KeyValue{Key: "MaxOutstandingR2T", Value: "2"})
	c := writing(p.command(write10(0, 3), 1536))
	p.write(c, nil)
	for _, want := range []uint32{1024, 512, 0} {
		var r pdu.R2T
		if u := p.read(); r.Unmarshal(&u.Header) != nil || r.BufferOffset != want {
			t.Fatalf("%v, offset %d, expected %d", u, r.BufferOffset, want)
		}
		p.write(dataFor(p, c, &r), block(byte(r.BufferOffset/512)+1))
	}
	if _, status, _ := p.response(); status != statusGood {
		t.Errorf("status %#x", status)
	}
	for lba := range int64(3) {
		if !bytes.Equal(blockAt(target, lba), block(byte(lba)+1)) {
			t.Errorf("block %d is wrong", lba)
		}
	}
	if v := target.Violations(); len(v) > 0 {
		t.Error(v)
	}
}

// TestSplitTexts logs in and discovers with answers in pieces.
func TestSplitTexts(t *testing.T) {
	for name, cfg := range map[string]Config{"C bit": {LoginSplit: 16, TextSplit: 10}, "by key": {TextByKey: true}} {
		t.Run(name, func(t *testing.T) {
			cfg.Others = []Node{{IQN: "iqn.2026-11.org.example:other", Addresses: []string{}}}
			cfg.Strict = true
			target := start(t, cfg)
			p := dial(t, target)
			h := p.loginHeader()
			var text []byte
			keys := pdu.AppendKeys(nil, pdu.KeyValue{Key: "InitiatorName", Value: "iqn.x:y"}, pdu.KeyValue{Key: "SessionType", Value: "Discovery"})
			for {
				h.ExpStatSN = p.expStatSN
				p.write(h, keys)
				u := p.read()
				text = append(text, u.Data...)
				keys = nil
				if u.Header.Final() {
					break
				}
			}
			if !strings.Contains(string(text), "MaxRecvDataSegmentLength=262144\x00") {
				t.Errorf("login text %q", text)
			}
			if got, want := p.sendTargets(), "TargetName="+testIQN+"\x00TargetAddress="+target.Addr()+",1\x00TargetName=iqn.2026-11.org.example:other\x00"; got != want {
				t.Errorf("SendTargets gave %q", got)
			}
			if v := target.Violations(); len(v) > 0 {
				t.Error(v)
			}
		})
	}
}

// sendTargets asks for all targets and joins the pieces of the answer.
func (p *peer) sendTargets() string {
	var text []byte
	ttt, data, pieces := uint32(pdu.ReservedTag), []byte("SendTargets=All\x00"), 0
	for {
		p.write(&pdu.TextRequest{Final: true, ITT: 5, TTT: ttt, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, data)
		p.cmdSN++
		var r pdu.TextResponse
		u := p.read()
		if u == nil || r.Unmarshal(&u.Header) != nil {
			p.t.Fatalf("%v", u)
		}
		text = append(text, u.Data...)
		pieces++
		if r.Final {
			break
		}
		ttt, data = r.TTT, nil
	}
	if pieces < 3 {
		p.t.Errorf("the answer came in %d pieces", pieces)
	}
	return string(text)
}

func TestPingAndAsync(t *testing.T) {
	target := start(t, Config{Strict: true})
	p := dial(t, target).login()
	target.Ping([]byte("hello"))
	var in pdu.NOPIn
	if u := p.read(); in.Unmarshal(&u.Header) != nil || string(u.Data) != "hello" {
		t.Fatal(u)
	}
	p.write(&pdu.NOPOut{Immediate: true, LUN: in.LUN, ITT: pdu.ReservedTag, TTT: in.TTT, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, nil)
	p.ping()
	if target.Counters().Pongs != 1 {
		t.Errorf("%d answers counted", target.Counters().Pongs)
	}
	target.SendAsync(pdu.AsyncMessage{Event: pdu.AsyncLogoutRequest, Parameter3: 3}, nil)
	var m pdu.AsyncMessage
	if u := p.read(); m.Unmarshal(&u.Header) != nil || m.Parameter3 != 3 {
		t.Fatal(u)
	}
}

// TestOffers lets the target bring up a key itself.
func TestOffers(t *testing.T) {
	target := start(t, Config{Offers: []pdu.KeyValue{{Key: "MaxBurstLength", Value: "8192"}}, Strict: true})
	p := dial(t, target)
	h := p.loginHeader()
	h.Transit = false
	p.exchange(h, names()...)
	if p.keys["MaxBurstLength"] != "8192" {
		t.Fatal(p.keys)
	}
	p.exchange(p.loginHeader(), pdu.KeyValue{Key: "MaxBurstLength", Value: "4096"})
	if got := target.Sessions()[0].Keys["MaxBurstLength"]; got != "4096" {
		t.Errorf("MaxBurstLength=%s", got)
	}
}
