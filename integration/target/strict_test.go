package target

import (
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// unsolicited logs in so that immediate and unsolicited data are allowed, with
// a FirstBurstLength of 1024 and a MaxBurstLength of 2048 bytes.
func unsolicited(p *peer) *peer {
	return p.login(pdu.KeyValue{Key: "InitialR2T", Value: "No"}, pdu.KeyValue{Key: "ImmediateData", Value: "Yes"},
		pdu.KeyValue{Key: "FirstBurstLength", Value: "1024"}, pdu.KeyValue{Key: "MaxBurstLength", Value: "2048"})
}

// solicit sends a write of 4096 bytes without data and returns it with its
// first R2T.
func solicit(p *peer) (*pdu.SCSICommand, *pdu.R2T) {
	p.t.Helper()
	c := writing(p.command(write10(0, 8), 4096))
	p.write(c, nil)
	var r pdu.R2T
	if u := p.read(); u == nil || r.Unmarshal(&u.Header) != nil {
		p.t.Fatalf("%v instead of an R2T", u)
	}
	return c, &r
}

// dataFor makes a Data-Out that answers an R2T.
func dataFor(p *peer, c *pdu.SCSICommand, r *pdu.R2T) *pdu.DataOut {
	return &pdu.DataOut{Final: true, LUN: r.LUN, ITT: c.ITT, TTT: r.TTT, ExpStatSN: p.expStatSN, BufferOffset: r.BufferOffset}
}

// TestStrictRules breaks each rule with PDUs made by hand and asks whether the
// target noted it under its name, and did what it should.
func TestStrictRules(t *testing.T) {
	type outcome int
	const (
		rejected outcome = iota // a Reject, and the connection goes on
		ended                   // a Reject, and the connection ends
		closed                  // the connection ends
		only                    // noted only
	)
	for _, c := range []struct {
		rule string
		want outcome
		do   func(p *peer)
	}{
		{"opcode", rejected, func(p *peer) {
			p.login()
			u := newPDU(&pdu.NOPOut{Immediate: true, ITT: 9}, nil)
			u.Header[0] = 0x1c
			p.writePDU(u)
		}},
		{"reserved", rejected, func(p *peer) {
			p.login()
			u := newPDU(reading(p.command(read10(0, 1), 512)), nil)
			u.Header[2] = 1
			p.writePDU(u)
		}},
		{"final-fixed", rejected, func(p *peer) {
			p.login()
			u := newPDU(&pdu.NOPOut{Immediate: true, ITT: 9, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, nil)
			u.Header[1] = 0
			p.writePDU(u)
		}},
		{"padding", only, func(p *peer) {
			p.login()
			u := newPDU(&pdu.NOPOut{Immediate: true, ITT: 9, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, []byte{1})
			raw := append(u.Header[:], 1, 0, 7, 0)
			p.net.Write(raw)
		}},
		{"header-digest", closed, func(p *peer) {
			p.login(pdu.KeyValue{Key: "HeaderDigest", Value: "CRC32C"})
			p.digests.header = false
			u := newPDU(reading(p.command(read10(0, 1), 512)), nil)
			p.net.Write(append(u.Header[:], 1, 2, 3, 4))
		}},
		{"data-digest", rejected, func(p *peer) {
			p.login(pdu.KeyValue{Key: "DataDigest", Value: "CRC32C"}, pdu.KeyValue{Key: "ImmediateData", Value: "Yes"})
			u := newPDU(writing(p.command(write10(0, 1), 512)), make([]byte, 512))
			p.net.Write(append(append(u.Header[:], u.Data...), 1, 2, 3, 4))
		}},
		{"max-recv", closed, func(p *peer) {
			p.login()
			u := newPDU(&pdu.NOPOut{Immediate: true, ITT: 9, TTT: pdu.ReservedTag}, nil)
			u.Header.SetDataSegmentLength(256<<10 + 4)
			p.net.Write(u.Header[:])
		}},
		{"expstatsn-ahead", ended, func(p *peer) { p.login(); p.expStatSN++; p.write(reading(p.command(read10(0, 1), 512)), nil) }},
		{"expstatsn-back", ended, func(p *peer) {
			p.login()
			p.ping()
			p.expStatSN -= 2
			p.write(reading(p.command(read10(0, 1), 512)), nil)
		}},
		{"snack", rejected, func(p *peer) { p.login(); p.write(&pdu.SNACKRequest{ITT: 5, ExpStatSN: p.expStatSN}, nil) }},
		{"cmdsn-window", only, func(p *peer) {
			p.login()
			p.cmdSN += 1000
			p.write(reading(p.command(read10(0, 1), 512)), nil)
			p.cmdSN -= 1001
		}},
		{"cmdsn-step", only, func(p *peer) {
			p.login()
			p.cmdSN++
			p.write(reading(p.command(read10(0, 1), 512)), nil)
			p.cmdSN -= 2
			p.write(reading(p.command(read10(0, 1), 512)), nil)
			p.cmdSN++
			p.response()
			p.response()
		}},
		{"immediate-cmdsn", only, func(p *peer) {
			p.login()
			p.write(&pdu.NOPOut{Immediate: true, ITT: 9, TTT: pdu.ReservedTag, CmdSN: p.cmdSN + 1, ExpStatSN: p.expStatSN}, nil)
			p.read()
		}},
		{"itt-in-use", rejected, func(p *peer) {
			unsolicited(p)
			c, _ := solicit(p)
			again := reading(p.command(read10(0, 1), 512))
			again.ITT = c.ITT
			p.write(again, nil)
		}},
		{"itt-reserved", rejected, func(p *peer) {
			p.login()
			c := reading(p.command(read10(0, 1), 512))
			c.ITT = pdu.ReservedTag
			p.write(c, nil)
		}},
		{"edtl", only, func(p *peer) { p.login(); p.write(reading(p.command(read10(0, 1), 1024)), nil); p.response() }},
		{"read-write-bits", only, func(p *peer) { p.login(); p.write(p.command(read10(0, 1), 512), nil); p.response() }},
		{"final-no-data", rejected, func(p *peer) {
			p.login()
			c := reading(p.command(read10(0, 1), 512))
			c.Final = false
			p.write(c, nil)
		}},
		{"immediate-data", ended, func(p *peer) {
			p.login(pdu.KeyValue{Key: "ImmediateData", Value: "No"})
			p.write(writing(p.command(write10(0, 1), 512)), make([]byte, 512))
		}},
		{"data-without-w", ended, func(p *peer) { p.login(); p.write(reading(p.command(read10(0, 1), 512)), make([]byte, 512)) }},
		{"initial-r2t", ended, func(p *peer) {
			p.login(pdu.KeyValue{Key: "InitialR2T", Value: "Yes"})
			c := writing(p.command(write10(0, 8), 4096))
			c.Final = false
			p.write(c, nil)
		}},
		{"first-burst", ended, func(p *peer) { unsolicited(p); p.write(writing(p.command(write10(0, 4), 2048)), make([]byte, 1536)) }},
		{"first-burst-full", ended, func(p *peer) {
			unsolicited(p)
			c := writing(p.command(write10(0, 8), 4096))
			c.Final = false
			p.write(c, nil)
			p.write(&pdu.DataOut{Final: true, ITT: c.ITT, TTT: pdu.ReservedTag, ExpStatSN: p.expStatSN}, make([]byte, 512))
		}},
		{"beyond-edtl", ended, func(p *peer) { unsolicited(p); p.write(writing(p.command(write10(0, 1), 512)), make([]byte, 1024)) }},
		{"data-task", ended, func(p *peer) {
			p.login()
			p.write(&pdu.DataOut{Final: true, ITT: 77, TTT: 1, ExpStatSN: p.expStatSN}, make([]byte, 512))
		}},
		{"data-ttt", ended, func(p *peer) {
			unsolicited(p)
			c, r := solicit(p)
			d := dataFor(p, c, r)
			d.TTT += 50
			p.write(d, make([]byte, 2048))
		}},
		{"data-lun", rejected, func(p *peer) {
			unsolicited(p)
			c, r := solicit(p)
			d := dataFor(p, c, r)
			d.LUN[1] = 9
			p.write(d, make([]byte, 2048))
		}},
		{"data-sn", ended, func(p *peer) {
			unsolicited(p)
			c, r := solicit(p)
			d := dataFor(p, c, r)
			d.DataSN = 1
			p.write(d, make([]byte, 2048))
		}},
		{"data-offset", ended, func(p *peer) {
			unsolicited(p)
			c, r := solicit(p)
			d := dataFor(p, c, r)
			d.BufferOffset += 512
			p.write(d, make([]byte, 512))
		}},
		{"burst-filled", ended, func(p *peer) {
			unsolicited(p)
			c, r := solicit(p)
			p.write(dataFor(p, c, r), make([]byte, 512))
		}},
		{"nop-ttt", ended, func(p *peer) {
			p.login()
			p.write(&pdu.NOPOut{Immediate: true, ITT: pdu.ReservedTag, TTT: 9, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, nil)
		}},
		{"nop-immediate", ended, func(p *peer) {
			p.login()
			p.write(&pdu.NOPOut{ITT: pdu.ReservedTag, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, nil)
		}},
		{"text-continue", ended, func(p *peer) {
			p.login()
			p.write(&pdu.TextRequest{Immediate: true, Final: true, Continue: true, ITT: 9, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, nil)
		}},
		{"text-format", rejected, func(p *peer) {
			p.login()
			p.write(&pdu.TextRequest{Immediate: true, Final: true, ITT: 9, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, []byte("SendTargets="))
		}},
		{"text-ttt", ended, func(p *peer) {
			p.login()
			p.write(&pdu.TextRequest{Immediate: true, Final: true, ITT: 9, TTT: 4, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, nil)
		}},
		{"ahs", rejected, func(p *peer) {
			p.login()
			u := newPDU(reading(p.command(read10(0, 1), 512)), nil)
			u.AHS = []byte{0, 200, 1, 0}
			p.writePDU(u)
		}},
		{"key-value", only, func(p *peer) {
			p.login(pdu.KeyValue{Key: "MaxBurstLength", Value: "100"})
			if p.keys["MaxBurstLength"] != "Reject" {
				p.t.Error(p.keys)
			}
		}},
		{"tmf-refcmdsn", only, func(p *peer) {
			unsolicited(p)
			c, _ := solicit(p)
			p.manage(pdu.AbortTask, c.ITT, c.CmdSN+3, pdu.FunctionComplete)
		}},
		{"tmf-tag", only, func(p *peer) {
			p.login()
			p.write(&pdu.TaskMgmtRequest{Immediate: true, Function: pdu.AbortTaskSet, ITT: 9, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, nil)
			p.read()
		}},
		{"after-logout", closed, func(p *peer) {
			p.login()
			p.write(&pdu.LogoutRequest{Immediate: true, ITT: 9, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, nil)
			p.write(reading(p.command(read10(0, 1), 512)), nil)
			p.read() // the answer
		}},
		{"login-first", closed, func(p *peer) { p.write(reading(p.command(read10(0, 1), 512)), nil) }},
	} {
		t.Run(c.rule, func(t *testing.T) {
			target := start(t, Config{Strict: true, QuietLogin: true})
			p := dial(t, target)
			c.do(p)
			switch c.want {
			case rejected, ended:
				p.expectReject()
				if c.want == ended && p.read() != nil {
					t.Error("the connection goes on")
				}
			case closed:
				if u := p.read(); u != nil {
					t.Errorf("answered %v", u)
				}
			case only:
				p.ping()
			}
			if !eventually(func() bool { return broken(target, c.rule) }) { // the answer may come first
				t.Errorf("not noted; noted were %v", target.Violations())
			}
		})
	}
}

// TestDiscoveryOnly sends a SCSI command in a discovery session.
func TestDiscoveryOnly(t *testing.T) {
	target := start(t, Config{})
	p := dial(t, target)
	p.exchange(p.loginHeader(), pdu.KeyValue{Key: "InitiatorName", Value: "iqn.x:y"}, pdu.KeyValue{Key: "SessionType", Value: "Discovery"})
	p.write(reading(p.command(read10(0, 1), 512)), nil)
	p.expectReject()
	if !broken(target, "discovery-only") {
		t.Error(target.Violations())
	}
	p.ping()
}

// TestPongLUN answers a ping with another LUN field.
func TestPongLUN(t *testing.T) {
	target := start(t, Config{Strict: true, LUNs: []*LUN{NewMemoryLUN(1<<20, 512, Number(3))}})
	p := dial(t, target).login()
	target.Ping(nil)
	var in pdu.NOPIn
	if u := p.read(); in.Unmarshal(&u.Header) != nil || in.LUN[1] != 3 {
		t.Fatal(u)
	}
	p.write(&pdu.NOPOut{Immediate: true, ITT: pdu.ReservedTag, TTT: in.TTT, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, nil)
	p.expectReject()
	if !broken(target, "nop-lun") {
		t.Error(target.Violations())
	}
}

// expectReject reads up to a Reject.
func (p *peer) expectReject() {
	p.t.Helper()
	for u := p.read(); ; u = p.read() {
		if u == nil {
			p.t.Fatal("connection closed without a Reject")
		}
		switch u.Header.Opcode() {
		case pdu.OpReject:
			return
		case pdu.OpR2T:
		default:
			p.t.Fatalf("%v instead of a Reject", u)
		}
	}
}

// ping shows that the connection still works.
func (p *peer) ping() {
	p.t.Helper()
	p.write(&pdu.NOPOut{Immediate: true, ITT: 0xabc, TTT: pdu.ReservedTag, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}, []byte("ping"))
	for {
		u := p.read()
		if u == nil {
			p.t.Fatal("connection closed instead of an answer to a ping")
		}
		if u.Header.Opcode() == pdu.OpNOPIn && u.Header.ITT() == 0xabc && string(u.Data) == "ping" {
			return
		}
	}
}
