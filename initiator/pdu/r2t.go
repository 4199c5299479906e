package pdu

// R2T, Ready To Transfer, asks for data of a write, as described in RFC 7143,
// Section 11.8. Its StatSN is the next to be used: it consumes none.
type R2T struct {
	LUN [8]byte
	ITT uint32
	TTT uint32
	Sequence
	R2TSN                     uint32 // from 0 within each command
	BufferOffset              uint32 // bytes
	DesiredDataTransferLength uint32 // bytes, 1 to MaxBurstLength
}

var _ PDU = (*R2T)(nil)

// Marshal writes the header.
func (p *R2T) Marshal(b *BHS) {
	b.start(OpR2T, false, bitFinal)
	b.putLUN(p.LUN)
	b.put32(offITT, p.ITT)
	b.put32(offTag, p.TTT)
	p.Sequence.marshal(b)
	b.put32(offDataSN, p.R2TSN)
	b.put32(offOffset, p.BufferOffset)
	b.put32(offLength, p.DesiredDataTransferLength)
}

// Unmarshal reads the header.
func (p *R2T) Unmarshal(b *BHS) error {
	if err := b.expect(OpR2T); err != nil {
		return err
	}
	*p = R2T{
		LUN:                       b.lun(),
		ITT:                       b.ITT(),
		TTT:                       b.u32(offTag),
		R2TSN:                     b.u32(offDataSN),
		BufferOffset:              b.u32(offOffset),
		DesiredDataTransferLength: b.u32(offLength),
	}
	p.Sequence.unmarshal(b)
	return nil
}
