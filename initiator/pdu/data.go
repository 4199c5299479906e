package pdu

// DataOut carries data of a write to the target, as described in RFC 7143,
// Section 11.7.
type DataOut struct {
	Final        bool // last PDU of this sequence
	LUN          [8]byte
	ITT          uint32
	TTT          uint32 // of the R2T it answers; ReservedTag for unsolicited data
	ExpStatSN    uint32
	DataSN       uint32 // from 0 within each sequence
	BufferOffset uint32 // bytes
}

var _ PDU = (*DataOut)(nil)

// Marshal writes the header.
func (p *DataOut) Marshal(b *BHS) {
	b.start(OpDataOut, false, bit(bitFinal, p.Final))
	b.putLUN(p.LUN)
	b.put32(offITT, p.ITT)
	b.put32(offTag, p.TTT)
	b.put32(offExpStatSN, p.ExpStatSN)
	b.put32(offDataSN, p.DataSN)
	b.put32(offOffset, p.BufferOffset)
}

// Unmarshal reads the header.
func (p *DataOut) Unmarshal(b *BHS) error {
	if err := b.expect(OpDataOut); err != nil {
		return err
	}
	*p = DataOut{
		Final:        b.Final(),
		LUN:          b.lun(),
		ITT:          b.ITT(),
		TTT:          b.u32(offTag),
		ExpStatSN:    b.u32(offExpStatSN),
		DataSN:       b.u32(offDataSN),
		BufferOffset: b.u32(offOffset),
	}
	return nil
}

// Flags of a Data-In.
const (
	dataInAck    = 0x40
	dataInStatus = 0x01
)

// DataIn carries data of a read to the initiator, as described in RFC 7143,
// Section 11.7. With HasStatus it also ends the command, and only then are
// Status, StatSN and Residual valid.
type DataIn struct {
	Final       bool // last PDU of this sequence
	Acknowledge bool
	HasStatus   bool // the S bit
	Status      uint8
	LUN         [8]byte
	ITT         uint32
	TTT         uint32
	Sequence
	DataSN       uint32 // from 0 within each command
	BufferOffset uint32 // bytes
	Residual     Residual
}

var _ PDU = (*DataIn)(nil)

// Marshal writes the header.
func (p *DataIn) Marshal(b *BHS) {
	b.start(OpDataIn, false, bit(bitFinal, p.Final)|bit(dataInAck, p.Acknowledge)|bit(dataInStatus, p.HasStatus))
	b[offStatus] = p.Status
	b.putLUN(p.LUN)
	b.put32(offITT, p.ITT)
	b.put32(offTag, p.TTT)
	p.Sequence.marshal(b)
	b.put32(offDataSN, p.DataSN)
	b.put32(offOffset, p.BufferOffset)
	p.Residual.marshal(b)
}

// Unmarshal reads the header.
func (p *DataIn) Unmarshal(b *BHS) error {
	if err := b.expect(OpDataIn); err != nil {
		return err
	}
	*p = DataIn{
		Final:        b.Final(),
		Acknowledge:  b.flag(dataInAck),
		HasStatus:    b.flag(dataInStatus),
		Status:       b[offStatus],
		LUN:          b.lun(),
		ITT:          b.ITT(),
		TTT:          b.u32(offTag),
		DataSN:       b.u32(offDataSN),
		BufferOffset: b.u32(offOffset),
	}
	p.Sequence.unmarshal(b)
	p.Residual.unmarshal(b)
	return nil
}
