package target

import (
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

func lengths(got, want int64) string { return fmt.Sprintf("%d bytes, expected %d", got, want) }

// immediateData takes the data segment of a SCSI Command.
func (k *task) immediateData(p *PDU) bool {
	c, n := k.c, len(p.Data)
	k.firstData = n
	if n > 0 && !k.cmd.Write {
		c.violate(reqDataWithoutW, p, "")
		return false
	}
	if n > 0 && !k.s.params.ImmediateData && c.violate(reqImmediateData, p, "") {
		return false
	}
	if k.unsolicited && k.s.params.InitialR2T && c.violate(reqInitialR2T, p, "F is 0 in the command") {
		return false
	}
	if n > k.s.params.FirstBurstLength && c.violate(reqFirstBurst, p, lengths(int64(n), int64(k.s.params.FirstBurstLength))) {
		return false
	}
	if n > len(k.data) {
		c.violate(reqBeyondEDTL, p, lengths(int64(n), int64(len(k.data))))
		return false
	}
	k.received = copy(k.data, p.Data)
	return true
}

// dataOut takes a Data-Out PDU to its task and sequence.
func (c *conn) dataOut(p *PDU) {
	var h pdu.DataOut
	h.Unmarshal(&p.Header)
	k := c.sess.tasks[h.ITT]
	if k == nil || !k.cmd.Write || k.c != c {
		if !c.sess.aborted[h.ITT] {
			c.violate(reqDataTask, p, "")
		}
		return
	}
	if p.badDataDigest {
		// A target that ends the task for it has to wait for all of the data before
		// it sends the response (Section 7.8). So the task goes on with a mark.
		k.crcError = true
		c.violate(reqDataDigest, p, "")
	}
	if h.TTT == pdu.ReservedTag {
		k.unsolicitedData(p, &h)
	} else {
		k.solicitedData(p, &h)
	}
}

// unsolicitedData takes data that no R2T asked for.
func (k *task) unsolicitedData(p *PDU, h *pdu.DataOut) {
	c := k.c
	if !k.unsolicited {
		c.violate(reqDataTTT, p, "no unsolicited data is due")
		return
	}
	if !k.checkDataSN(p, h, &k.nextSN) {
		return
	}
	if int(h.BufferOffset) != k.received {
		c.violate(reqDataOffset, p, numbers(h.BufferOffset, uint32(k.received)))
		return
	}
	k.firstData += len(p.Data)
	if k.firstData > k.s.params.FirstBurstLength &&
		c.violate(reqFirstBurst, p, lengths(int64(k.firstData), int64(k.s.params.FirstBurstLength))) {
		return
	}
	if !k.store(p, h) || !h.Final {
		return
	}
	k.checkFirstBurst(p)
	k.unsolicited = false
	k.advance()
}

// checkFirstBurst checks the length of all unsolicited data at its end.
//
// "If the Expected Data Transfer Length is higher than the FirstBurstLength
// (the negotiated maximum amount of unsolicited data the target will accept),
// the initiator MUST send the maximum amount of unsolicited data OR ONLY the
// immediate data, if any." RFC 7143, Section 11.3.4.
func (k *task) checkFirstBurst(p *PDU) {
	if want := min(len(k.data), k.s.params.FirstBurstLength); k.firstData < want {
		k.c.violate(reqFullFirst, p, lengths(int64(k.firstData), int64(want)))
	}
}

func (k *task) checkDataSN(p *PDU, h *pdu.DataOut, next *uint32) bool {
	if h.DataSN != *next && k.c.violate(reqDataSN, p, numbers(h.DataSN, *next)) {
		return false
	}
	*next = h.DataSN + 1
	return true
}

// store copies data to its place in the task's buffer.
func (k *task) store(p *PDU, h *pdu.DataOut) bool {
	end := int64(h.BufferOffset) + int64(len(p.Data))
	if end > int64(len(k.data)) {
		k.c.violate(reqBeyondEDTL, p, lengths(end, int64(len(k.data))))
		return false
	}
	copy(k.data[h.BufferOffset:], p.Data)
	k.received += len(p.Data)
	return true
}
