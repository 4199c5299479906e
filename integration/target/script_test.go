package target

import (
	"bytes"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

const patience = 30 * time.Second

func block(b byte) []byte { return bytes.Repeat([]byte{b}, 512) }

// blockAt reads a block of the first LUN behind the target's back.
func blockAt(target *Target, lba int64) []byte {
	b := make([]byte, 512)
	target.nodes[0].luns[0].ReadAt(b, lba*512)
	return b
}

// TestGhostWrite holds a write before its execution, lets its session end, and
// executes it after another write of the next session.
func TestGhostWrite(t *testing.T) {
	target := start(t, Config{QuietLogin: true})
	gate := NewGate()
	held := target.OnExecute(Once(SCSI(OpWrite10)), Hold(gate))
	p := dial(t, target).login()
	p.write(writing(p.command(write10(0, 1), 512)), block(1))
	if !held.Await(1, patience) {
		t.Fatal("the write was not held")
	}
	p = dial(t, target).login() // reinstates the session
	p.write(writing(p.command(write10(0, 1), 512)), block(2))
	if _, status, _ := p.response(); status != statusGood {
		t.Fatalf("status %#x", status)
	}
	gate.Release()
	if !bytes.Equal(blockAt(target, 0), block(1)) {
		t.Error("the held write did not reach the medium")
	}
}

// TestResetEndsHeldWrites does the same with a LOGICAL UNIT RESET between.
func TestResetEndsHeldWrites(t *testing.T) {
	target := start(t, Config{QuietLogin: true})
	gate := NewGate()
	held := target.OnExecute(Once(SCSI(OpWrite10)), Hold(gate))
	p := dial(t, target).login()
	p.write(writing(p.command(write10(0, 1), 512)), block(1))
	if !held.Await(1, patience) {
		t.Fatal("the write was not held")
	}
	p = dial(t, target).login()
	p.manage(pdu.LogicalUnitReset, pdu.ReservedTag, 0, pdu.FunctionComplete)
	gate.Release()
	if !bytes.Equal(blockAt(target, 0), block(0)) {
		t.Error("the write survived the reset")
	}
	p.write(p.command([]byte{OpTestUnitReady}, 0), nil)
	if _, _, sense := p.response(); !senseIs(sense, senseUnitAttention, 0x29, 0x00) {
		t.Errorf("sense % x after the reset", sense)
	}
}

// manage sends a task management function and checks its answer.
func (p *peer) manage(f pdu.TaskMgmtFunction, tag, refCmdSN uint32, want pdu.TaskMgmtResult) {
	p.t.Helper()
	p.itt++
	p.write(&pdu.TaskMgmtRequest{Immediate: true, Function: f, ITT: p.itt, ReferencedTaskTag: tag,
		CmdSN: p.cmdSN, ExpStatSN: p.expStatSN, RefCmdSN: refCmdSN}, nil)
	var r pdu.TaskMgmtResponse
	if u := p.read(); u == nil || r.Unmarshal(&u.Header) != nil || r.Result != want {
		p.t.Fatalf("%v answered with %v %v, expected %v", f, u, r.Result, want)
	}
}

func TestAbortTask(t *testing.T) {
	target := start(t, Config{QuietLogin: true, Strict: true})
	gate := NewGate()
	defer gate.Release()
	held := target.OnExecute(SCSI(OpRead10), Hold(gate))
	p := dial(t, target).login()
	c := reading(p.command(read10(0, 1), 512))
	p.write(c, nil)
	if !held.Await(1, patience) {
		t.Fatal("the read was not held")
	}
	p.manage(pdu.AbortTask, c.ITT, c.CmdSN, pdu.FunctionComplete)
	p.manage(pdu.AbortTask, c.ITT, c.CmdSN, pdu.TaskDoesNotExist)
	gate.Release()
	p.ping() // and no response comes before it
	if v := target.Violations(); len(v) > 0 {
		t.Error(v)
	}
}

func TestAnswers(t *testing.T) {
	for name, add := range map[string]func(*Target, Match, Action) *Rule{"receive": (*Target).OnReceive, "execute": (*Target).OnExecute} {
		t.Run(name, func(t *testing.T) {
			target := start(t, Config{QuietLogin: true})
			rule := add(target, Nth(2, SCSI(OpRead10)), AnswerWith(CheckCondition(senseMedium, 0x11, 0x00)))
			p := dial(t, target).login()
			for n := 1; n <= 3; n++ {
				p.write(reading(p.command(read10(0, 1), 512)), nil)
				_, status, sense := p.response()
				if failed := senseIs(sense, senseMedium, 0x11, 0x00); failed != (n == 2) {
					t.Errorf("read %d: status %#x, sense % x", n, status, sense)
				}
			}
			if rule.Count() != 1 {
				t.Errorf("the rule counted %d", rule.Count())
			}
			rule.Remove()
			add(target, SCSI(OpRead10), AnswerWith(Answer{Status: 0x28}))
			p.write(reading(p.command(read10(0, 1), 512)), nil)
			if _, status, _ := p.response(); status != 0x28 {
				t.Errorf("status %#x, expected TASK SET FULL", status)
			}
		})
	}
}

// TestSendFaults has the answer to a ping dropped, doubled, delayed, held,
// overtaken and cut.
func TestSendFaults(t *testing.T) {
	pong := Opcode(pdu.OpNOPIn)
	send := func(p *peer, itts ...uint32) {
		for _, itt := range itts {
			p.write(&pdu.NOPOut{Immediate: true, ITT: itt, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, nil)
		}
	}
	gate := NewGate()
	for name, c := range map[string]struct {
		action Action
		want   []uint32
	}{
		"drop":      {Drop(), []uint32{12}},
		"duplicate": {Duplicate(), []uint32{11, 11, 12}},
		"reorder":   {Reorder(), []uint32{12, 11}},
		"delay":     {Delay(time.Millisecond * 50), []uint32{12, 11}},
		"split":     {Split(1), []uint32{11, 12}},
		"hold":      {Do(Hold(gate), func(*Event) { time.AfterFunc(50*time.Millisecond, gate.Release) }), []uint32{12, 11}},
		"edit":      {Edit(func(u *PDU) { u.Header[19] = 99 }), []uint32{99, 12}},
	} {
		t.Run(name, func(t *testing.T) {
			target := start(t, Config{})
			target.OnSend(Once(pong), c.action)
			p := dial(t, target).login()
			send(p, 11, 12)
			for _, want := range c.want {
				if u := p.read(); u == nil || u.Header.ITT() != want {
					t.Fatalf("%v, expected ITT %d", u, want)
				}
			}
			p.ping()
		})
	}
}

// TestCuts counts the bytes that come before the connection ends.
func TestCuts(t *testing.T) {
	for name, c := range map[string]struct {
		action Action
		want   int
	}{"before": {CutBefore(), 0}, "inside": {CutAt(50), 50}, "after": {CutAfter(), 48 + 512}} {
		t.Run(name, func(t *testing.T) {
			target := start(t, Config{QuietLogin: true})
			target.OnSend(OfCommand(OpRead10), c.action)
			p := dial(t, target).login()
			p.write(reading(p.command(read10(0, 1), 512)), nil)
			b := make([]byte, 1024)
			n := 0
			for {
				m, err := p.net.Read(b[n:])
				n += m
				if err != nil {
					break
				}
			}
			if n != c.want {
				t.Errorf("%d bytes came, expected %d", n, c.want)
			}
		})
	}
}

// TestCorruption looks at which bit is wrong.
func TestCorruption(t *testing.T) {
	target := start(t, Config{QuietLogin: true})
	target.OnSend(OfCommand(OpRead10), Corrupt(Flip{Data, 3, 0}, Flip{DataDigest, 0, 7}, Flip{HeaderDigest, 3, 1}, Flip{Header, 9, 2}))
	p := dial(t, target).login(pdu.KeyValue{Key: "HeaderDigest", Value: "CRC32C"}, pdu.KeyValue{Key: "DataDigest", Value: "CRC32C"})
	p.write(reading(p.command(read10(0, 1), 512)), nil)
	b := make([]byte, 48+4+512+4)
	for n := 0; n < len(b); {
		m, err := p.net.Read(b[n:])
		if err != nil {
			t.Fatal(err)
		}
		n += m
	}
	if b[9] != 4 || b[52+3] != 1 {
		t.Errorf("header byte %#x, data byte %#x", b[9], b[52+3])
	}
	b[9], b[52+3] = 0, 0
	head, data := pdu.ReadDigest(b[48:]), pdu.ReadDigest(b[52+512:])
	if head^pdu.Digest(0).Add(b[:48]) != 1<<25 || data^pdu.Digest(0).Add(b[52:52+512]) != 1<<7 {
		t.Errorf("digests %#x, %#x", head, data)
	}
}

// TestStall stops a connection's output until the gate opens.
func TestStall(t *testing.T) {
	target := start(t, Config{})
	gate := NewGate()
	rule := target.OnSend(Once(Opcode(pdu.OpNOPIn)), Stall(gate))
	p := dial(t, target).login()
	p.write(&pdu.NOPOut{Immediate: true, ITT: 5, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, nil)
	if !rule.Await(1, patience) {
		t.Fatal("no answer to stall")
	}
	gate.Release()
	if u := p.read(); u.Header.ITT() != 5 {
		t.Errorf("%v", u)
	}
	p.ping()
}

func TestLoginAnswers(t *testing.T) {
	target := start(t, Config{})
	rule := target.OnReceive(Opcode(pdu.OpLoginReq), Redirect("[::1]:3260,1", true))
	p := dial(t, target)
	if a := p.exchange(p.loginHeader(), names()...); a.StatusClass != 1 || a.StatusDetail != 2 || p.keys["TargetAddress"] != "[::1]:3260,1" {
		t.Errorf("%+v %v", a, p.keys)
	}
	rule.Remove()
	target.OnReceive(Once(Opcode(pdu.OpLoginReq)), AnswerLogin(3, 1))
	p = dial(t, target)
	if a := p.exchange(p.loginHeader(), names()...); a.StatusClass != 3 || a.StatusDetail != 1 {
		t.Errorf("%+v", a)
	}
	target.OnSend(Opcode(pdu.OpLoginResp), SetKey("MaxBurstLength", "Irrelevant"))
	p = dial(t, target).login(pdu.KeyValue{Key: "MaxBurstLength", Value: "4096"})
	if p.keys["MaxBurstLength"] != "Irrelevant" {
		t.Error(p.keys)
	}
}

// TestReceiveFaults keeps commands back on their way in. The target then
// executes them in CmdSN order and blames nobody.
func TestReceiveFaults(t *testing.T) {
	for name, action := range map[string]func(*Gate) Action{"hold": Hold, "reorder": func(*Gate) Action { return Reorder() }} {
		t.Run(name, func(t *testing.T) {
			target := start(t, Config{QuietLogin: true, Strict: true})
			gate := NewGate()
			target.OnReceive(Once(SCSI(OpRead10)), action(gate))
			p := dial(t, target).login()
			first, second := reading(p.command(read10(0, 1), 512)), reading(p.command(read10(1, 1), 512))
			p.write(first, nil)
			p.write(second, nil)
			p.ping()
			gate.Release()
			var got []uint32
			for _, c := range target.Commands() {
				got = append(got, uint32(c.LBA))
			}
			if len(got) != 2 || got[0] != 1 || got[1] != 0 {
				t.Errorf("order of arrival: LBAs %v", got)
			}
			if v := target.Violations(); len(v) > 0 {
				t.Error(v)
			}
		})
	}
}
