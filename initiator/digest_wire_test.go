package initiator

import (
	"errors"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/integration/target"
)

func digests(_ *target.Config, c *Config) { c.HeaderDigest, c.DataDigest = DigestCRC32C, DigestCRC32C }

// TestDigestErrors: one wrong bit anywhere in what the target sends. At error
// recovery level 0 a digest error is answered by a new session (RFC 7143,
// Sections 7.7 and 7.8), which brings the right data.
func TestDigestErrors(t *testing.T) {
	for _, op := range []pdu.Opcode{pdu.OpDataIn, pdu.OpSCSIResponse, pdu.OpR2T, pdu.OpNOPIn} {
		for name, flip := range map[string]target.Flip{
			"flags":         {Section: target.Header, Byte: 1, Bit: 2},
			"length":        {Section: target.Header, Byte: 6, Bit: 0},
			"length's top":  {Section: target.Header, Byte: 5, Bit: 7},
			"AHS length":    {Section: target.Header, Byte: 4, Bit: 0},
			"task tag":      {Section: target.Header, Byte: 19, Bit: 0},
			"MaxCmdSN":      {Section: target.Header, Byte: 32, Bit: 6},
			"offset":        {Section: target.Header, Byte: 43, Bit: 1},
			"header digest": {Section: target.HeaderDigest, Byte: 3, Bit: 7},
			"first byte":    {Section: target.Data, Byte: 0, Bit: 0},
			"last byte":     {Section: target.Data, Byte: 511, Bit: 7},
			"data digest":   {Section: target.DataDigest, Byte: 0, Bit: 0},
		} {
			if op != pdu.OpDataIn && flip.Section >= target.Data {
				continue // there are no data
			}
			t.Run(op.String()+" "+name, func(t *testing.T) {
				l := newLab(t, smallBursts, digests)
				l.hurry()
				rule := l.OnSend(target.Once(target.Opcode(op)), target.Corrupt(flip))
				if op == pdu.OpNOPIn {
					l.Ping(nil)
				}
				l.work(1)
				if !rule.Await(1, soon) {
					t.Fatal("nothing was damaged")
				}
				l.awaitReconnect(1)
				if st := l.s.Status(); st.Stats.DigestErrors != 1 && name != "length" && name != "length's top" && name != "AHS length" {
					t.Errorf("%d digest errors, reason %v", st.Stats.DigestErrors, st.Reason)
				}
				if l.s.Status().Reconnects != 1 {
					t.Errorf("%d reconnects", l.s.Status().Reconnects)
				}
			})
		}
	}
}

// TestDigestsEachAlone: header and data digests are agreed on one by one.
func TestDigestsEachAlone(t *testing.T) {
	for _, c := range []struct{ header, data DigestPolicy }{
		{DigestCRC32C, DigestNone}, {DigestNone, DigestCRC32C}, {DigestPrefer, DigestPrefer},
	} {
		l := newLab(t, smallBursts, func(_ *target.Config, cfg *Config) { cfg.HeaderDigest, cfg.DataDigest = c.header, c.data })
		l.work(2)
		if p := l.s.Status().Params; p.HeaderDigest != (c.header != DigestNone) || p.DataDigest != (c.data != DigestNone) {
			t.Errorf("%+v agreed as %+v", c, p)
		}
	}
}

// TestSplitAtEveryByte: TCP may deliver a PDU in pieces of any size.
func TestSplitAtEveryByte(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 47, 48, 49, 51, 52, 53, 1000} {
		l := newLab(t, smallBursts, digests)
		l.OnSend(target.Any(), target.Split(n))
		l.Ping(nil)
		data := pattern(uint64(n), 8192)
		l.write(data, 0)
		same(t, "what is read back", l.read(len(data), 0), data)
		await(t, "the answer to a ping", func() bool { return l.Counters().Pongs == 1 })
	}
}

// TestEndOfStream: what a session says of a connection that ends between PDUs
// and in one.
func TestEndOfStream(t *testing.T) {
	for name, n := range map[string]int{"between": 0, "in": 20} {
		p := newWirePeer(t, "")
		s, w := p.login()
		w.nc.Write(make([]byte, n))
		w.nc.Close()
		await(t, "recovering", func() bool { return s.Status().State == Recovering })
		if err := s.Status().Reason; err == nil || errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
