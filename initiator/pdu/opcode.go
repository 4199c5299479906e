package pdu

import "fmt"

// Opcode is the type of a PDU (RFC 7143, Section 11.2.1.2). Bit 0x20 is set
// in those that a target sends.
type Opcode uint8

// The opcodes of RFC 7143.
const (
	OpNOPOut       Opcode = 0x00
	OpSCSICommand  Opcode = 0x01
	OpTaskMgmtReq  Opcode = 0x02
	OpLoginReq     Opcode = 0x03
	OpTextReq      Opcode = 0x04
	OpDataOut      Opcode = 0x05
	OpLogoutReq    Opcode = 0x06
	OpSNACK        Opcode = 0x10
	OpNOPIn        Opcode = 0x20
	OpSCSIResponse Opcode = 0x21
	OpTaskMgmtResp Opcode = 0x22
	OpLoginResp    Opcode = 0x23
	OpTextResp     Opcode = 0x24
	OpDataIn       Opcode = 0x25
	OpLogoutResp   Opcode = 0x26
	OpR2T          Opcode = 0x31
	OpAsyncMessage Opcode = 0x32
	OpReject       Opcode = 0x3f
)

var opcodeNames = map[Opcode]string{
	OpNOPOut:       "NOP-Out",
	OpSCSICommand:  "SCSI Command",
	OpTaskMgmtReq:  "Task Management Function Request",
	OpLoginReq:     "Login Request",
	OpTextReq:      "Text Request",
	OpDataOut:      "SCSI Data-Out",
	OpLogoutReq:    "Logout Request",
	OpSNACK:        "SNACK Request",
	OpNOPIn:        "NOP-In",
	OpSCSIResponse: "SCSI Response",
	OpTaskMgmtResp: "Task Management Function Response",
	OpLoginResp:    "Login Response",
	OpTextResp:     "Text Response",
	OpDataIn:       "SCSI Data-In",
	OpLogoutResp:   "Logout Response",
	OpR2T:          "Ready To Transfer",
	OpAsyncMessage: "Asynchronous Message",
	OpReject:       "Reject",
}

func (o Opcode) String() string {
	if s, ok := opcodeNames[o]; ok {
		return s
	}
	return fmt.Sprintf("unknown(%#02x)", uint8(o))
}

// FromTarget tells whether PDUs of this opcode are sent by targets.
func (o Opcode) FromTarget() bool { return o&0x20 != 0 }
