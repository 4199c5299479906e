package target

import (
	"slices"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// burst is the data that one R2T asks for.
type burst struct {
	offset, length int // bytes
	got            int
	nextSN         uint32
	nextOffset     uint32
}

// planBursts divides the data that is still missing, as far as the CDB wants
// it, into bursts of at most MaxBurstLength.
func (k *task) planBursts() {
	want := int(min(int64(len(k.data)), k.out))
	for off := k.received; off < want; {
		n := min(want-off, k.s.params.MaxBurstLength)
		k.bursts = append(k.bursts, burst{offset: off, length: n, nextOffset: uint32(off)})
		off += n
	}
	if k.s.t.cfg.ReverseR2T && !k.s.params.DataSequenceInOrder {
		slices.Reverse(k.bursts)
	}
}

// solicit sends as many R2Ts as MaxOutstandingR2T allows.
func (k *task) solicit() {
	for len(k.bursts) > 0 && len(k.open) < k.s.params.MaxOutstandingR2T {
		b := k.bursts[0]
		k.bursts = k.bursts[1:]
		ttt := k.s.newTTT()
		k.open[ttt] = &b
		k.queue(&pdu.R2T{
			LUN:                       k.cmd.LUN,
			ITT:                       k.cmd.ITT,
			TTT:                       ttt,
			Sequence:                  k.c.sequence(),
			R2TSN:                     k.numbered,
			BufferOffset:              uint32(b.offset),
			DesiredDataTransferLength: uint32(b.length),
		}, nil)
		k.numbered++
	}
}

// newTTT returns a Target Transfer Tag that is not the reserved one.
func (s *session) newTTT() uint32 {
	s.nextTTT++
	if s.nextTTT == pdu.ReservedTag {
		s.nextTTT = 1
	}
	return s.nextTTT
}

// solicitedData takes data that an R2T asked for.
func (k *task) solicitedData(p *PDU, h *pdu.DataOut) {
	c := k.c
	b := k.open[h.TTT]
	if b == nil {
		c.violate(reqDataTTT, p, "no such R2T is open")
		return
	}
	if h.LUN != k.cmd.LUN && c.violate(reqDataLUN, p, "") {
		return
	}
	if !k.checkDataSN(p, h, &b.nextSN) || !k.checkPlace(p, h, b) || !k.store(p, h) {
		return
	}
	b.got += len(p.Data)
	b.nextOffset = h.BufferOffset + uint32(len(p.Data))
	if h.Final || b.got >= b.length {
		k.closeBurst(p, h, b)
	}
}

// checkPlace checks that data lies in its burst, and behind what came before
// unless the session allows any order.
func (k *task) checkPlace(p *PDU, h *pdu.DataOut, b *burst) bool {
	off := int(h.BufferOffset)
	if off < b.offset || off+len(p.Data) > b.offset+b.length {
		k.c.violate(reqBurstFilled, p, "outside of the burst")
		// What lies outside cannot be stored, strict or not.
		return false
	}
	if k.s.params.DataPDUInOrder && h.BufferOffset != b.nextOffset {
		k.c.violate(reqDataOffset, p, numbers(h.BufferOffset, b.nextOffset))
		return false
	}
	return true
}

// closeBurst ends a sequence and goes on with the task.
func (k *task) closeBurst(p *PDU, h *pdu.DataOut, b *burst) {
	if !h.Final || b.got != b.length {
		if k.c.violate(reqBurstFilled, p, lengths(int64(b.got), int64(b.length))) {
			return
		}
	}
	delete(k.open, h.TTT)
	k.advance()
}
