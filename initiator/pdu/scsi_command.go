package pdu

// TaskAttribute is the queueing attribute of a SCSI command (RFC 7143,
// Section 11.3.1).
type TaskAttribute uint8

// The task attributes of SAM-5.
const (
	Untagged    TaskAttribute = 0
	Simple      TaskAttribute = 1
	Ordered     TaskAttribute = 2
	HeadOfQueue TaskAttribute = 3
	ACA         TaskAttribute = 4
)

// Flags of a SCSI Command.
const (
	commandRead  = 0x40
	commandWrite = 0x20
	attrMask     = 0x07
)

// SCSICommand carries a CDB to a logical unit, as described in RFC 7143,
// Section 11.3. Immediate data may follow as its data segment.
type SCSICommand struct {
	Immediate bool
	// Final is set when no unsolicited Data-Out PDU follows this command.
	Final                      bool
	Read, Write                bool
	Attr                       TaskAttribute
	LUN                        [8]byte
	ITT                        uint32
	ExpectedDataTransferLength uint32 // bytes
	CmdSN, ExpStatSN           uint32
	CDB                        [16]byte
}

var _ PDU = (*SCSICommand)(nil)

// Marshal writes the header.
func (p *SCSICommand) Marshal(b *BHS) {
	b.start(OpSCSICommand, p.Immediate, byte(p.Attr)&attrMask)
	b.setFlag(bitFinal, p.Final)
	b.setFlag(commandRead, p.Read)
	b.setFlag(commandWrite, p.Write)
	b.putLUN(p.LUN)
	b.put32(offITT, p.ITT)
	b.put32(offTag, p.ExpectedDataTransferLength)
	b.put32(offCmdSN, p.CmdSN)
	b.put32(offExpStatSN, p.ExpStatSN)
	copy(b[32:], p.CDB[:])
}

// Unmarshal reads the header.
func (p *SCSICommand) Unmarshal(b *BHS) error {
	if err := b.expect(OpSCSICommand); err != nil {
		return err
	}
	*p = SCSICommand{
		Immediate:                  b.Immediate(),
		Final:                      b.Final(),
		Read:                       b.flag(commandRead),
		Write:                      b.flag(commandWrite),
		Attr:                       TaskAttribute(b[offFlags] & attrMask),
		LUN:                        b.lun(),
		ITT:                        b.ITT(),
		ExpectedDataTransferLength: b.u32(offTag),
		CmdSN:                      b.u32(offCmdSN),
		ExpStatSN:                  b.u32(offExpStatSN),
		CDB:                        [16]byte(b[32:]),
	}
	return nil
}
