package target

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// FuzzFullFeature sends arbitrary bytes where PDUs are due. The target must
// survive, and answer another initiator.
func FuzzFullFeature(f *testing.F) {
	c := &pdu.SCSICommand{Final: true, Read: true, ITT: 2, CmdSN: 100, ExpStatSN: 2, ExpectedDataTransferLength: 512}
	copy(c.CDB[:], read10(0, 1))
	f.Add(newPDU(c, nil).Header[:])
	c.Read, c.Write, c.CDB[0] = false, true, OpUnmap
	f.Add(append(newPDU(c, make([]byte, 24)).Header[:], make([]byte, 24)...))
	f.Add(newPDU(&pdu.TextRequest{Final: true, ITT: 3, TTT: pdu.ReservedTag, CmdSN: 100, ExpStatSN: 2}, nil).Header[:])
	f.Add(newPDU(&pdu.TaskMgmtRequest{Immediate: true, Function: pdu.TargetColdReset, ITT: 3, CmdSN: 100}, nil).Header[:])
	f.Add(newPDU(&pdu.LogoutRequest{Immediate: true, Reason: 1, CID: 7, ITT: 3, CmdSN: 100}, nil).Header[:])
	f.Fuzz(func(t *testing.T, input []byte) {
		target := start(t, Config{QuietLogin: true, LUNs: []*LUN{NewMemoryLUN(1<<20, 512, Thin(), WriteCache())}})
		p := dial(t, target).login()
		p.net.Write(input)
		p.net.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, p.net)
		dial(t, target).login().ping()
		target.Close()
	})
}

// FuzzLoginText sends arbitrary keys in a login.
func FuzzLoginText(f *testing.F) {
	f.Add(pdu.AppendKeys(nil, names(pdu.KeyValue{Key: "HeaderDigest", Value: "CRC32C,None"})...), true)
	f.Add(pdu.AppendKeys(nil, names(pdu.KeyValue{Key: "AuthMethod", Value: "CHAP"}, pdu.KeyValue{Key: "CHAP_A", Value: "5"})...), false)
	f.Fuzz(func(t *testing.T, text []byte, operational bool) {
		target := start(t, Config{CHAP: &CHAP{User: "u", Secret: "s"}})
		p := dial(t, target)
		p.net.SetDeadline(time.Now().Add(time.Second))
		h := p.loginHeader()
		if !operational {
			h.CSG = pdu.SecurityNegotiation
		}
		if len(text) > 8192 {
			text = text[:8192]
		}
		p.write(h, text)
		p.net.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, p.net)
		if len(target.Sessions()) > 0 {
			t.Error("logged in without a secret")
		}
		target.Close()
	})
}

func FuzzDecodeBinary(f *testing.F) {
	f.Add("0x0123")
	f.Add("0b AAAA")
	f.Fuzz(func(t *testing.T, s string) {
		b, err := decodeBinary(s)
		if err != nil {
			return
		}
		for _, form := range []bool{false, true} {
			if again, err := decodeBinary(encodeBinary(b, form)); err != nil || !bytes.Equal(again, b) {
				t.Errorf("% x became % x, %v", b, again, err)
			}
		}
	})
}
