package initiator

import (
	"net"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// Bounds of one gathering write.
const (
	maxGatherPDUs  = 64
	maxGatherBytes = 512 << 10
	maxRounds      = 8 // writes that a caller does for others before the flusher takes over
)

// outbox is what one gathering write needs: room for headers and digests, and
// the vector that ties them to the callers' memory. Nothing is copied.
type outbox struct {
	c       *conn
	headers [maxGatherPDUs]outPDU
	npdus   int
	bytes   int
	iov     net.Buffers // backing memory of all writes
	writing net.Buffers // what is left of the present one
	pinned  []*task     // tasks whose memory iov refers to
}

// outPDU is the memory around the data of one PDU.
type outPDU struct {
	head    [pdu.BHSLength + pdu.DigestLength]byte
	trailer [3 + pdu.DigestLength]byte // padding and data digest
	// Data segment: iov[first:end], length bytes.
	first, end, length int
}

func (o *outbox) init(c *conn) {
	o.c = c
	o.iov = make(net.Buffers, 0, 1024)
	o.pinned = make([]*task, 0, maxGatherPDUs)
}

// send writes all that may be sent, unless somebody else is doing it: that
// writer looks again before it stops. It must not be called by the reader.
func (c *conn) send() {
	s := c.s
	s.mu.Lock()
	if c.sending {
		s.mu.Unlock()
		return
	}
	c.sending = true
	for round := 0; c.err == nil && c.gatherLocked(); round++ {
		s.mu.Unlock()
		err := c.out.write()
		s.mu.Lock()
		c.out.unpinLocked()
		if err != nil {
			c.failLocked(err)
		}
		if round == maxRounds {
			// Not before: the flusher would find the token taken and go away.
			c.wake()
			break
		}
	}
	c.sending = false
	c.idle.Broadcast()
	s.mu.Unlock()
}

// full tells whether one more PDU has to wait for the next write.
func (o *outbox) full() bool {
	return o.npdus == maxGatherPDUs || o.bytes >= maxGatherBytes || len(o.iov) > cap(o.iov)-cap(o.iov)/4
}

// gatherLocked collects what is to be sent next, in this order: answers and
// immediate requests, data that was asked for, new commands. It is false when
// there is nothing.
func (c *conn) gatherLocked() bool {
	o, s := &c.out, c.s
	o.npdus, o.bytes, o.iov, o.pinned = 0, 0, o.iov[:0], o.pinned[:0]
	for len(c.replies) > 0 && !o.full() {
		c.addReplyLocked(c.replies[0])
		c.replies = c.replies[1:]
	}
	for t := s.urgent.head; t != nil && c.mayAskLocked() && s.slots.available(true); t = s.urgent.head {
		c.addRequestLocked(t)
	}
	for t := s.dataOut.head; t != nil && !o.full(); t = s.dataOut.head {
		c.addDataOutLocked(t)
	}
	for t := s.nextLocked(); t != nil && c.mayAskLocked(); t = s.nextLocked() {
		c.addRequestLocked(t)
	}
	return o.npdus > 0
}

// mayAskLocked tells whether one more request may join the write. "After sending
// the Logout Request PDU, an initiator MUST NOT send any new iSCSI requests on the
// closing connection" (RFC 7143, 11.14): those end with the connection.
func (c *conn) mayAskLocked() bool { return !c.closing && !c.out.full() }

// addReplyLocked adds the answer to a target's ping.
func (c *conn) addReplyLocked(r nopReply) {
	var b pdu.BHS
	// RFC 7143, 11.18: a NOP-Out that answers has the reserved ITT, the I bit
	// set, and the TTT and LUN of the NOP-In.
	(&pdu.NOPOut{Immediate: true, LUN: r.lun, ITT: pdu.ReservedTag, TTT: r.ttt, CmdSN: c.s.window.cmdSN}).Marshal(&b)
	c.addLocked(&b)
	c.s.stats.NOPOut++
}

// addRequestLocked gives a pending task its tag and number and adds its PDU.
func (c *conn) addRequestLocked(t *task) {
	s := c.s
	t.remove()
	// RFC 7143, 11.10.5: the requests of one text exchange keep their tag.
	if s.slots.find(t.itt) != t {
		s.slots.add(t)
	}
	t.state, t.sentAt = taskSent, time.Now()
	t.cmdSN = s.window.cmdSN
	if !t.kind.immediate() {
		s.window.take()
	}
	var b pdu.BHS
	switch t.kind {
	case kindCommand:
		c.addCommandLocked(t, &b)
		return
	case kindTaskMgmt:
		(&pdu.TaskMgmtRequest{Immediate: true, Function: t.function, LUN: t.lun, ITT: t.itt,
			ReferencedTaskTag: t.refTag, RefCmdSN: t.refCmdSN, CmdSN: t.cmdSN}).Marshal(&b)
		s.stats.TaskMgmt++
	case kindPing:
		(&pdu.NOPOut{Immediate: true, ITT: t.itt, TTT: pdu.ReservedTag, CmdSN: t.cmdSN}).Marshal(&b)
		s.stats.NOPOut++
	case kindLogout:
		c.closing = true
		(&pdu.LogoutRequest{Immediate: true, Reason: t.reason, ITT: t.itt, CmdSN: t.cmdSN}).Marshal(&b)
		s.stats.Logout++
	case kindText:
		(&pdu.TextRequest{Final: true, LUN: t.lun, ITT: t.itt, TTT: t.ttt, CmdSN: t.cmdSN}).Marshal(&b)
		s.stats.Text++
	}
	b.SetDataSegmentLength(len(t.payload))
	p := c.addLocked(&b)
	c.out.addBytes(p, t.payload)
}

// addCommandLocked adds a SCSI Command with its immediate data and queues the
// unsolicited data that follow it.
func (c *conn) addCommandLocked(t *task, b *pdu.BHS) {
	immediate, unsolicited := 0, 0
	if t.write {
		immediate, unsolicited = firstBurst(&c.params, t.data.len)
	}
	(&pdu.SCSICommand{
		// RFC 7143, 11.3.1: F is 1 "when no unsolicited SCSI Data-Out PDUs
		// follow this PDU".
		Final:                      unsolicited == 0,
		Read:                       t.read,
		Write:                      t.write,
		Attr:                       pdu.Simple,
		LUN:                        t.lun,
		ITT:                        t.itt,
		ExpectedDataTransferLength: uint32(t.data.len),
		CmdSN:                      t.cmdSN,
		CDB:                        t.cdb,
	}).Marshal(b)
	b.SetDataSegmentLength(immediate)
	p := c.addLocked(b)
	c.out.addData(p, t, 0, immediate)
	c.s.stats.Commands++
	if unsolicited > 0 {
		t.pushBurst(burst{lun: t.lun, ttt: pdu.ReservedTag, off: immediate, end: immediate + unsolicited})
		c.s.dataOut.pushBack(t)
	}
}

// firstBurst says how many of n bytes of a write go with the command and how
// many follow it unasked.
func firstBurst(p *Params, n int) (immediate, unsolicited int) {
	// RFC 7143, 13.14: FirstBurstLength is "the maximum amount in bytes of unsolicited
	// data", immediate data included.
	first := min(n, p.FirstBurstLength)
	if p.ImmediateData {
		immediate = min(first, p.MaxXmitDataSegmentLength)
	}
	if !p.InitialR2T {
		// RFC 7143, 11.4.7.2: a target that was promised unsolicited data expects all
		// of it up to FirstBurstLength, else the amount is incorrect (0Ch/0Dh).
		unsolicited = first - immediate
	}
	return immediate, unsolicited
}

// addDataOutLocked adds the next PDU of the task's first burst.
func (c *conn) addDataOutLocked(t *task) {
	d := &t.bursts[0]
	n := min(d.end-d.off, c.params.MaxXmitDataSegmentLength)
	var b pdu.BHS
	(&pdu.DataOut{
		Final:        d.off+n == d.end,
		LUN:          d.lun,
		ITT:          t.itt,
		TTT:          d.ttt,
		DataSN:       d.dataSN,
		BufferOffset: uint32(d.off),
	}).Marshal(&b)
	b.SetDataSegmentLength(n)
	p := c.addLocked(&b)
	c.out.addData(p, t, d.off, n)
	c.s.stats.DataOut++
	d.dataSN++
	d.off += n
	t.progressLocked()
	if d.off == d.end {
		t.popBurst()
	}
	if t.nbursts == 0 {
		t.remove()
	}
}

// addLocked adds a PDU whose data segment, if any, is added after it.
func (c *conn) addLocked(b *pdu.BHS) *outPDU {
	o := &c.out
	p := &o.headers[o.npdus]
	o.npdus++
	b.SetExpStatSN(c.expStatSN)
	copy(p.head[:], b[:])
	n := pdu.BHSLength
	if c.params.HeaderDigest {
		// Of the copy: the digest of b would make it escape to the heap.
		pdu.Digest(0).Add(p.head[:n]).Put(p.head[n:])
		n += pdu.DigestLength
	}
	o.iov = append(o.iov, p.head[:n])
	o.bytes += n
	p.first, p.end, p.length = len(o.iov), len(o.iov), 0
	return p
}

// addData adds n bytes of the task's memory, from off on, as the data segment.
func (o *outbox) addData(p *outPDU, t *task, off, n int) {
	if n == 0 {
		return
	}
	for left := n; left > 0; {
		b := t.data.at(off+n-left, left)
		o.iov = append(o.iov, b)
		left -= len(b)
	}
	t.sent += n
	t.pins++
	o.pinned = append(o.pinned, t)
	o.closeData(p, n)
}

// addBytes adds memory that no task waits for as the data segment.
func (o *outbox) addBytes(p *outPDU, b []byte) {
	if len(b) == 0 {
		return
	}
	o.iov = append(o.iov, b)
	o.closeData(p, len(b))
}

// closeData ends a data segment of n bytes with its padding and the room for
// its digest.
func (o *outbox) closeData(p *outPDU, n int) {
	p.end, p.length = len(o.iov), n
	trailer := pdu.Padding(n)
	clear(p.trailer[:trailer])
	if o.c.params.DataDigest {
		trailer += pdu.DigestLength
	}
	if trailer > 0 {
		o.iov = append(o.iov, p.trailer[:trailer])
	}
	o.bytes += n + trailer
}

// write computes the data digests and writes what was gathered. It holds no
// lock: a digest takes its time, and so does a slow target.
func (o *outbox) write() error {
	if o.c.params.DataDigest {
		for i := range o.headers[:o.npdus] {
			o.digestData(&o.headers[i])
		}
	}
	o.c.s.stats.txOctets.Add(int64(o.bytes))
	o.writing = o.iov
	_, err := o.writing.WriteTo(o.c.nc)
	return err
}

func (o *outbox) digestData(p *outPDU) {
	if p.length == 0 {
		return
	}
	var d pdu.Digest
	for _, b := range o.iov[p.first:p.end] {
		d = d.Add(b)
	}
	d.AddPadding(p.length).Put(p.trailer[pdu.Padding(p.length):])
}

// unpinLocked gives the memory of the write just done back to its tasks.
func (o *outbox) unpinLocked() {
	for _, t := range o.pinned {
		t.unpinLocked()
	}
}
