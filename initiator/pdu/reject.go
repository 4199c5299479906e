package pdu

import "fmt"

// RejectReason is why a target rejects a PDU (RFC 7143, Section 11.17.1).
type RejectReason uint8

// The reasons of a Reject.
const (
	RejectDataDigest       RejectReason = 0x02
	RejectSNACK            RejectReason = 0x03
	RejectProtocolError    RejectReason = 0x04
	RejectNotSupported     RejectReason = 0x05
	RejectImmediateCommand RejectReason = 0x06 // too many immediate commands
	RejectTaskInProgress   RejectReason = 0x07
	RejectInvalidDataACK   RejectReason = 0x08
	RejectInvalidPDUField  RejectReason = 0x09
	RejectLongOperation    RejectReason = 0x0a // can't generate a TTT: out of resources
	RejectNegotiationReset RejectReason = 0x0b
	RejectWaitingForLogout RejectReason = 0x0c
)

var rejectNames = map[RejectReason]string{
	RejectDataDigest:       "Data (payload) digest error",
	RejectSNACK:            "SNACK reject",
	RejectProtocolError:    "Protocol error",
	RejectNotSupported:     "Command not supported",
	RejectImmediateCommand: "Immediate command reject: too many immediate commands",
	RejectTaskInProgress:   "Task in progress",
	RejectInvalidDataACK:   "Invalid data ACK",
	RejectInvalidPDUField:  "Invalid PDU field",
	RejectLongOperation:    "Long op reject: can't generate Target Transfer Tag, out of resources",
	RejectNegotiationReset: "Negotiation reset",
	RejectWaitingForLogout: "Waiting for logout",
}

func (r RejectReason) String() string {
	if s, ok := rejectNames[r]; ok {
		return s
	}
	return fmt.Sprintf("unknown(%#02x)", uint8(r))
}

// Reject refuses a PDU, as described in RFC 7143, Section 11.17. Its data
// segment is the header of the rejected PDU, with its AHS.
type Reject struct {
	Reason RejectReason
	Sequence
	DataSN uint32
}

var _ PDU = (*Reject)(nil)

// Marshal writes the header.
func (p *Reject) Marshal(b *BHS) {
	b.start(OpReject, false, bitFinal)
	b[offResponse] = byte(p.Reason)
	b.put32(offITT, ReservedTag)
	p.Sequence.marshal(b)
	b.put32(offDataSN, p.DataSN)
}

// Unmarshal reads the header.
func (p *Reject) Unmarshal(b *BHS) error {
	if err := b.expect(OpReject); err != nil {
		return err
	}
	*p = Reject{Reason: RejectReason(b[offResponse]), DataSN: b.u32(offDataSN)}
	p.Sequence.unmarshal(b)
	return nil
}
