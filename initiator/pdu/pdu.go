package pdu

import "fmt"

// PDU is what all types of this package have in common. Both methods work on
// the 48 bytes of the header only and allocate nothing.
type PDU interface {
	// Marshal writes the whole header; the lengths of the variable segments
	// become 0.
	Marshal(*BHS)
	// Unmarshal reads the header. It fails only with an *OpcodeError.
	Unmarshal(*BHS) error
}

// Sequence is the numbering that every response of a target carries: its
// status number and the window of commands it accepts (RFC 7143, Sections
// 4.2.2.1 and 4.2.2.2).
type Sequence struct {
	StatSN, ExpCmdSN, MaxCmdSN uint32
}

func (s *Sequence) marshal(b *BHS) {
	b.put32(offCmdSN, s.StatSN)
	b.put32(offExpStatSN, s.ExpCmdSN)
	b.put32(offMaxCmdSN, s.MaxCmdSN)
}

func (s *Sequence) unmarshal(b *BHS) {
	*s = Sequence{b.u32(offCmdSN), b.u32(offExpStatSN), b.u32(offMaxCmdSN)}
}

// Sequence reads the numbering of any PDU that a target sends.
func (b *BHS) Sequence() (s Sequence) {
	s.unmarshal(b)
	return s
}

// SetExpStatSN renews the acknowledgement in the header of a request just
// before it is sent; it stands at the same place in all of them.
func (b *BHS) SetExpStatSN(n uint32) { b.put32(offExpStatSN, n) }

// SetCmdSN numbers the header of a request; it stands at the same place in
// all that have one.
func (b *BHS) SetCmdSN(n uint32) { b.put32(offCmdSN, n) }

// Parse returns the PDU that a header describes. Its cost is one allocation:
// code that knows the opcode unmarshals into a type of its own.
func Parse(b *BHS) (PDU, error) {
	p := newPDU(b.Opcode())
	if p == nil {
		return nil, fmt.Errorf("PDU with the %v opcode", b.Opcode())
	}
	return p, p.Unmarshal(b)
}

func newPDU(op Opcode) PDU {
	switch op {
	case OpNOPOut:
		return new(NOPOut)
	case OpSCSICommand:
		return new(SCSICommand)
	case OpTaskMgmtReq:
		return new(TaskMgmtRequest)
	case OpLoginReq:
		return new(LoginRequest)
	case OpTextReq:
		return new(TextRequest)
	case OpDataOut:
		return new(DataOut)
	case OpLogoutReq:
		return new(LogoutRequest)
	case OpSNACK:
		return new(SNACKRequest)
	case OpNOPIn:
		return new(NOPIn)
	case OpSCSIResponse:
		return new(SCSIResponse)
	case OpTaskMgmtResp:
		return new(TaskMgmtResponse)
	case OpLoginResp:
		return new(LoginResponse)
	case OpTextResp:
		return new(TextResponse)
	case OpDataIn:
		return new(DataIn)
	case OpLogoutResp:
		return new(LogoutResponse)
	case OpR2T:
		return new(R2T)
	case OpAsyncMessage:
		return new(AsyncMessage)
	case OpReject:
		return new(Reject)
	}
	return nil
}
