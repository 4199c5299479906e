package pdu

import (
	"encoding/binary"
	"fmt"
)

// ResponseCode is the iSCSI service response of a SCSI Response (RFC 7143,
// Section 11.4.3). The SCSI status is valid only with CommandCompleted.
type ResponseCode uint8

// The iSCSI service responses.
const (
	CommandCompleted ResponseCode = 0x00
	TargetFailure    ResponseCode = 0x01
)

func (r ResponseCode) String() string {
	switch r {
	case CommandCompleted:
		return "Command Completed at Target"
	case TargetFailure:
		return "Target Failure"
	}
	return fmt.Sprintf("unknown(%#02x)", uint8(r))
}

// Flags of a SCSI Response and, for the last two, of a Data-In with status.
const (
	bidiOverflow      = 0x10
	bidiUnderflow     = 0x08
	residualOverflow  = 0x04
	residualUnderflow = 0x02
)

// Residual says by how much the data of a command differed from what the
// initiator expected (RFC 7143, Sections 11.4.5.1 and 11.4.5.2).
type Residual struct {
	// Overflow: the target had Count bytes more than were expected.
	// Underflow: Count bytes of those expected were not transferred.
	Overflow, Underflow bool
	Count               uint32 // bytes
}

func (r *Residual) marshal(b *BHS) {
	b.setFlag(residualOverflow, r.Overflow)
	b.setFlag(residualUnderflow, r.Underflow)
	b.put32(offLength, r.Count)
}

func (r *Residual) unmarshal(b *BHS) {
	*r = Residual{b.flag(residualOverflow), b.flag(residualUnderflow), b.u32(offLength)}
}

// SCSIResponse ends a SCSI command, as described in RFC 7143, Section 11.4.
// Its data segment holds sense data, see [SenseData].
type SCSIResponse struct {
	Response ResponseCode
	Status   uint8 // SAM-5 status, valid when Response is CommandCompleted
	ITT      uint32
	SNACKTag uint32
	Sequence
	ExpDataSN uint32
	Residual  Residual
	// The residual of the read direction of a bidirectional command.
	BidiReadResidual Residual
}

var _ PDU = (*SCSIResponse)(nil)

// Marshal writes the header.
func (p *SCSIResponse) Marshal(b *BHS) {
	b.start(OpSCSIResponse, false, bitFinal)
	b.setFlag(bidiOverflow, p.BidiReadResidual.Overflow)
	b.setFlag(bidiUnderflow, p.BidiReadResidual.Underflow)
	b[offResponse], b[offStatus] = byte(p.Response), p.Status
	b.put32(offITT, p.ITT)
	b.put32(offTag, p.SNACKTag)
	p.Sequence.marshal(b)
	b.put32(offDataSN, p.ExpDataSN)
	b.put32(offOffset, p.BidiReadResidual.Count)
	p.Residual.marshal(b)
}

// Unmarshal reads the header.
func (p *SCSIResponse) Unmarshal(b *BHS) error {
	if err := b.expect(OpSCSIResponse); err != nil {
		return err
	}
	*p = SCSIResponse{
		Response:         ResponseCode(b[offResponse]),
		Status:           b[offStatus],
		ITT:              b.ITT(),
		SNACKTag:         b.u32(offTag),
		ExpDataSN:        b.u32(offDataSN),
		BidiReadResidual: Residual{b.flag(bidiOverflow), b.flag(bidiUnderflow), b.u32(offOffset)},
	}
	p.Sequence.unmarshal(b)
	p.Residual.unmarshal(b)
	return nil
}

// SenseData returns the sense bytes in the data segment of a SCSI Response: a
// two-byte SenseLength and that many bytes (RFC 7143, Section 11.4.7). What a
// lying length promises beyond the segment is cut.
func SenseData(segment []byte) []byte {
	if len(segment) < 2 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(segment))
	return segment[2:min(2+n, len(segment))]
}
