package target

import (
	"bytes"
	"net"
	"slices"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// send takes a PDU through the rules to the socket. It runs in the
// connection's writer.
func (s *script) send(c *conn, g outgoing) {
	if e := s.meetOutgoing(c, g); e != nil {
		c.carryOut(e, g)
	} else {
		c.write(g)
	}
	if late := c.lateOut; late != nil && late.p != g.p {
		c.lateOut = nil
		c.write(*late)
	}
}

// meetOutgoing applies the rules for sending, once for each PDU.
func (s *script) meetOutgoing(c *conn, g outgoing) *Event {
	if g.passed || !s.has(onSend) {
		return nil
	}
	e := c.event(g.p)
	e.CDB, e.LUN = g.cdb, g.lun
	return s.run(onSend, e)
}

func (c *conn) carryOut(e *Event, g outgoing) {
	plan := &e.plan
	c.stall(plan.stall)
	g.passed = true
	switch {
	case plan.cut == cutBefore:
		c.cut()
	case plan.drop:
	case plan.swap:
		c.lateOut = &g
	case plan.gate != nil && plan.gate.hold(func() { c.out.put(g) }):
	case plan.delay > 0:
		time.AfterFunc(plan.delay, func() { c.out.put(g) })
	default:
		for range 1 + plan.copies {
			c.writePlanned(plan, g)
		}
		if plan.cut == cutAfter {
			c.finishWriting()
		}
	}
}

// writePlanned puts a PDU on the wire, with the faults that are to be made in
// its bytes.
func (c *conn) writePlanned(plan *plan, g outgoing) {
	if plan.flips == nil && plan.split == 0 && plan.cut != cutInside {
		c.write(g)
		return
	}
	c.t.rec.capture(fromTarget, c, g.p)
	b := bytes.Join(g.p.encode(g.digests), nil)
	for _, f := range plan.flips {
		f.apply(b, g)
	}
	if plan.cut == cutInside {
		c.writeBytes(b[:min(plan.cutAt, len(b))], plan.split)
		c.finishWriting()
		return
	}
	c.writeBytes(b, plan.split)
}

func (c *conn) writeBytes(b []byte, size int) {
	if size == 0 {
		size = max(len(b), 1)
	}
	for piece := range slices.Chunk(b, size) {
		if _, err := c.net.Write(piece); err != nil {
			c.cut()
			return
		}
	}
}

// finishWriting closes the connection so that what was written arrives.
func (c *conn) finishWriting() {
	if tcp, ok := c.net.(*net.TCPConn); ok {
		tcp.SetLinger(-1)
	}
	c.net.Close()
	c.out.close()
	c.cutOnce.Do(func() { close(c.done) })
}

// apply turns the bit around, if the PDU has such a section.
func (f Flip) apply(b []byte, g outgoing) {
	header := pdu.BHSLength + len(g.p.AHS)
	starts := [4]int{Header: 0, HeaderDigest: header}
	lengths := [4]int{Header: header, Data: len(g.p.Data)}
	if g.digests.header {
		lengths[HeaderDigest] = pdu.DigestLength
	}
	starts[Data] = header + lengths[HeaderDigest]
	starts[DataDigest] = starts[Data] + len(g.p.Data) + pdu.Padding(len(g.p.Data))
	if g.digests.data && len(g.p.Data) > 0 {
		lengths[DataDigest] = pdu.DigestLength
	}
	if f.Byte < lengths[f.Section] {
		b[starts[f.Section]+f.Byte] ^= 1 << (f.Bit & 7)
	}
}
