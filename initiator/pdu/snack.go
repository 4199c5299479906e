package pdu

// SNACKType selects what a SNACK Request asks for or acknowledges (RFC 7143,
// Section 11.16.1).
type SNACKType uint8

// The SNACK types.
const (
	SNACKData    SNACKType = 0 // Data/R2T
	SNACKStatus  SNACKType = 1
	SNACKDataACK SNACKType = 2
	SNACKRData   SNACKType = 3
)

// SNACKRequest asks for PDUs again, as described in RFC 7143, Section 11.16.
// It is used only at an error recovery level above 0.
type SNACKRequest struct {
	Type              SNACKType
	LUN               [8]byte
	ITT               uint32
	TTT               uint32 // or SNACK Tag
	ExpStatSN         uint32
	BegRun, RunLength uint32
}

var _ PDU = (*SNACKRequest)(nil)

// Marshal writes the header.
func (p *SNACKRequest) Marshal(b *BHS) {
	b.start(OpSNACK, false, bitFinal|byte(p.Type)&0x0f)
	b.putLUN(p.LUN)
	b.put32(offITT, p.ITT)
	b.put32(offTag, p.TTT)
	b.put32(offExpStatSN, p.ExpStatSN)
	b.put32(offOffset, p.BegRun)
	b.put32(offLength, p.RunLength)
}

// Unmarshal reads the header.
func (p *SNACKRequest) Unmarshal(b *BHS) error {
	if err := b.expect(OpSNACK); err != nil {
		return err
	}
	*p = SNACKRequest{
		Type:      SNACKType(b[offFlags] & 0x0f),
		LUN:       b.lun(),
		ITT:       b.ITT(),
		TTT:       b.u32(offTag),
		ExpStatSN: b.u32(offExpStatSN),
		BegRun:    b.u32(offOffset),
		RunLength: b.u32(offLength),
	}
	return nil
}
