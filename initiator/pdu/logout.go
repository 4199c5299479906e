package pdu

import "fmt"

// LogoutReason is why an initiator logs out (RFC 7143, Section 11.14.1).
type LogoutReason uint8

// The reasons for a logout.
const (
	CloseSession      LogoutReason = 0
	CloseConnection   LogoutReason = 1
	RemoveForRecovery LogoutReason = 2
)

// LogoutRequest ends a connection or a session, as described in RFC 7143,
// Section 11.14.
type LogoutRequest struct {
	Immediate        bool
	Reason           LogoutReason
	ITT              uint32
	CID              uint16
	CmdSN, ExpStatSN uint32
}

var _ PDU = (*LogoutRequest)(nil)

// Marshal writes the header.
func (p *LogoutRequest) Marshal(b *BHS) {
	b.start(OpLogoutReq, p.Immediate, bitFinal|byte(p.Reason)&0x7f)
	b.put32(offITT, p.ITT)
	b.put16(offTag, p.CID)
	b.put32(offCmdSN, p.CmdSN)
	b.put32(offExpStatSN, p.ExpStatSN)
}

// Unmarshal reads the header.
func (p *LogoutRequest) Unmarshal(b *BHS) error {
	if err := b.expect(OpLogoutReq); err != nil {
		return err
	}
	*p = LogoutRequest{
		Immediate: b.Immediate(),
		Reason:    LogoutReason(b[offFlags] & 0x7f),
		ITT:       b.ITT(),
		CID:       b.u16(offTag),
		CmdSN:     b.u32(offCmdSN),
		ExpStatSN: b.u32(offExpStatSN),
	}
	return nil
}

// LogoutResult is a target's answer to a logout (RFC 7143, Section 11.15.1).
type LogoutResult uint8

// The logout responses.
const (
	LogoutSucceeded     LogoutResult = 0
	CIDNotFound         LogoutResult = 1
	RecoveryUnsupported LogoutResult = 2
	CleanupFailed       LogoutResult = 3
)

func (r LogoutResult) String() string {
	switch r {
	case LogoutSucceeded:
		return "closed successfully"
	case CIDNotFound:
		return "CID not found"
	case RecoveryUnsupported:
		return "connection recovery not supported"
	case CleanupFailed:
		return "cleanup failed"
	}
	return fmt.Sprintf("unknown(%d)", uint8(r))
}

// LogoutResponse answers a LogoutRequest, as described in RFC 7143, Section
// 11.15.
type LogoutResponse struct {
	Result LogoutResult
	ITT    uint32
	Sequence
	Time2Wait, Time2Retain uint16 // seconds
}

var _ PDU = (*LogoutResponse)(nil)

// Marshal writes the header.
func (p *LogoutResponse) Marshal(b *BHS) {
	b.start(OpLogoutResp, false, bitFinal)
	b[offResponse] = byte(p.Result)
	b.put32(offITT, p.ITT)
	p.Sequence.marshal(b)
	b.put16(40, p.Time2Wait)
	b.put16(42, p.Time2Retain)
}

// Unmarshal reads the header.
func (p *LogoutResponse) Unmarshal(b *BHS) error {
	if err := b.expect(OpLogoutResp); err != nil {
		return err
	}
	*p = LogoutResponse{Result: LogoutResult(b[offResponse]), ITT: b.ITT(), Time2Wait: b.u16(40), Time2Retain: b.u16(42)}
	p.Sequence.unmarshal(b)
	return nil
}
