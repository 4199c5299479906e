package target

import (
	"encoding/binary"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// complete ends a task with its result.
func (k *task) complete(r *result) {
	k.finish()
	k.s.t.rec.end(k, r.status)
	if k.orphaned || k.c.gone {
		return
	}
	edtl := int64(k.cmd.ExpectedDataTransferLength)
	if r.status == statusGood && k.in > 0 || len(r.data) > 0 {
		k.completeRead(r, edtl)
		return
	}
	moved := int64(0)
	if r.status == statusGood && k.out > 0 {
		moved = k.out
	}
	k.respond(r, residual(moved, edtl))
}

// residual compares what the command moves with what the initiator expected
// (RFC 7143, Section 11.4.5).
func residual(moved, expected int64) pdu.Residual {
	switch {
	case moved > expected:
		return pdu.Residual{Overflow: true, Count: uint32(moved - expected)}
	case moved < expected:
		return pdu.Residual{Underflow: true, Count: uint32(expected - moved)}
	}
	return pdu.Residual{}
}

// completeRead sends the data, as far as the initiator expects any, and the
// status in the last Data-In where that is allowed.
func (k *task) completeRead(r *result, edtl int64) {
	res := residual(int64(len(r.data)), edtl)
	if !k.cmd.Read {
		edtl = 0
	}
	data := r.data[:min(int64(len(r.data)), edtl)]
	together := len(data) > 0 && r.sense == nil && !k.s.t.cfg.SeparateStatus
	k.dataIn(data, together, r.status, res)
	if !together {
		k.respond(r, res)
	}
}

// dataIn sends data in PDUs that the initiator can take, with the F bit at the
// end of each burst.
func (k *task) dataIn(data []byte, withStatus bool, status byte, res pdu.Residual) {
	inBurst := 0
	for off := 0; off < len(data); {
		n := min(len(data)-off, k.c.maxSend, k.s.params.MaxBurstLength-inBurst)
		inBurst += n
		last := off+n == len(data)
		h := pdu.DataIn{
			Final:        last || inBurst == k.s.params.MaxBurstLength,
			ITT:          k.cmd.ITT,
			TTT:          pdu.ReservedTag,
			DataSN:       k.numbered,
			BufferOffset: uint32(off),
		}
		h.ExpCmdSN, h.MaxCmdSN = k.s.expCmdSN, k.s.maxCmdSN
		if last && withStatus {
			h.HasStatus, h.Status, h.Residual = true, status, res
			h.Sequence = k.c.status()
		}
		if h.Final {
			inBurst = 0
		}
		k.queue(&h, data[off:off+n:off+n])
		k.numbered++
		off += n
	}
}

// respond sends a SCSI Response, with sense data if there is any.
func (k *task) respond(r *result, res pdu.Residual) {
	var segment []byte
	if r.sense != nil {
		sense := r.sense.encode(k.s.t.cfg.DescriptorSense)
		segment = binary.BigEndian.AppendUint16(nil, uint16(len(sense)))
		segment = append(segment, sense...)
	}
	k.queue(&pdu.SCSIResponse{
		Response:  r.response,
		Status:    r.status,
		ITT:       k.cmd.ITT,
		Sequence:  k.c.status(),
		ExpDataSN: k.numbered,
		Residual:  res,
	}, segment)
}

// queue sends a PDU of the task.
func (k *task) queue(h pdu.PDU, data []byte) {
	k.c.out.put(outgoing{p: newPDU(h, data), digests: k.c.send, cdb: k.cdb, lun: k.cmd.LUN})
}
