package pdu

// TextRequest carries text keys to the target in the full feature phase, as
// described in RFC 7143, Section 11.10.
type TextRequest struct {
	Immediate        bool
	Final            bool
	Continue         bool // the keys go on in the next PDU
	LUN              [8]byte
	ITT              uint32
	TTT              uint32 // ReservedTag, or that of the response which it continues
	CmdSN, ExpStatSN uint32
}

var _ PDU = (*TextRequest)(nil)

// Marshal writes the header.
func (p *TextRequest) Marshal(b *BHS) {
	b.start(OpTextReq, p.Immediate, bit(bitFinal, p.Final)|bit(bitContinue, p.Continue))
	b.putLUN(p.LUN)
	b.put32(offITT, p.ITT)
	b.put32(offTag, p.TTT)
	b.put32(offCmdSN, p.CmdSN)
	b.put32(offExpStatSN, p.ExpStatSN)
}

// Unmarshal reads the header.
func (p *TextRequest) Unmarshal(b *BHS) error {
	if err := b.expect(OpTextReq); err != nil {
		return err
	}
	*p = TextRequest{
		Immediate: b.Immediate(),
		Final:     b.Final(),
		Continue:  b.flag(bitContinue),
		LUN:       b.lun(),
		ITT:       b.ITT(),
		TTT:       b.u32(offTag),
		CmdSN:     b.u32(offCmdSN),
		ExpStatSN: b.u32(offExpStatSN),
	}
	return nil
}

// TextResponse answers a TextRequest, as described in RFC 7143, Section
// 11.11. Without Final the target has more to say and gives a TTT to ask for
// it.
type TextResponse struct {
	Final    bool
	Continue bool // the keys go on in the next PDU
	LUN      [8]byte
	ITT      uint32
	TTT      uint32
	Sequence
}

var _ PDU = (*TextResponse)(nil)

// Marshal writes the header.
func (p *TextResponse) Marshal(b *BHS) {
	b.start(OpTextResp, false, bit(bitFinal, p.Final)|bit(bitContinue, p.Continue))
	b.putLUN(p.LUN)
	b.put32(offITT, p.ITT)
	b.put32(offTag, p.TTT)
	p.Sequence.marshal(b)
}

// Unmarshal reads the header.
func (p *TextResponse) Unmarshal(b *BHS) error {
	if err := b.expect(OpTextResp); err != nil {
		return err
	}
	*p = TextResponse{Final: b.Final(), Continue: b.flag(bitContinue), LUN: b.lun(), ITT: b.ITT(), TTT: b.u32(offTag)}
	p.Sequence.unmarshal(b)
	return nil
}
