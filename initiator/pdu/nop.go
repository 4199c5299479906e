package pdu

// NOPOut is a ping, or the answer to a target's ping, as described in RFC
// 7143, Section 11.18. A ping has an ITT and no TTT and may carry data that
// the target returns; an answer has the target's TTT and no ITT.
type NOPOut struct {
	Immediate        bool
	LUN              [8]byte // in an answer: that of the NOP-In
	ITT              uint32
	TTT              uint32
	CmdSN, ExpStatSN uint32
}

var _ PDU = (*NOPOut)(nil)

// Marshal writes the header.
func (p *NOPOut) Marshal(b *BHS) {
	b.start(OpNOPOut, p.Immediate, bitFinal)
	b.putLUN(p.LUN)
	b.put32(offITT, p.ITT)
	b.put32(offTag, p.TTT)
	b.put32(offCmdSN, p.CmdSN)
	b.put32(offExpStatSN, p.ExpStatSN)
}

// Unmarshal reads the header.
func (p *NOPOut) Unmarshal(b *BHS) error {
	if err := b.expect(OpNOPOut); err != nil {
		return err
	}
	*p = NOPOut{
		Immediate: b.Immediate(),
		LUN:       b.lun(),
		ITT:       b.ITT(),
		TTT:       b.u32(offTag),
		CmdSN:     b.u32(offCmdSN),
		ExpStatSN: b.u32(offExpStatSN),
	}
	return nil
}

// NOPIn is a target's ping, or its answer to a ping, as described in RFC
// 7143, Section 11.19. It consumes a StatSN only when it is an answer, that is
// when its ITT is not ReservedTag.
type NOPIn struct {
	LUN [8]byte
	ITT uint32
	TTT uint32
	Sequence
}

var _ PDU = (*NOPIn)(nil)

// Marshal writes the header.
func (p *NOPIn) Marshal(b *BHS) {
	b.start(OpNOPIn, false, bitFinal)
	b.putLUN(p.LUN)
	b.put32(offITT, p.ITT)
	b.put32(offTag, p.TTT)
	p.Sequence.marshal(b)
}

// Unmarshal reads the header.
func (p *NOPIn) Unmarshal(b *BHS) error {
	if err := b.expect(OpNOPIn); err != nil {
		return err
	}
	*p = NOPIn{LUN: b.lun(), ITT: b.ITT(), TTT: b.u32(offTag)}
	p.Sequence.unmarshal(b)
	return nil
}
