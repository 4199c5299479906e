package pdu

import "fmt"

// Stage is a stage of the login phase (RFC 7143, Section 11.12.3).
type Stage uint8

// The stages of a login; 2 is reserved.
const (
	SecurityNegotiation    Stage = 0
	OperationalNegotiation Stage = 1
	FullFeaturePhase       Stage = 3
)

func (s Stage) String() string {
	switch s {
	case SecurityNegotiation:
		return "SecurityNegotiation"
	case OperationalNegotiation:
		return "LoginOperationalNegotiation"
	case FullFeaturePhase:
		return "FullFeaturePhase"
	}
	return fmt.Sprintf("unknown(%d)", uint8(s))
}

// ISID is the initiator's part of a session's identifier: type, naming
// authority and qualifier (RFC 7143, Section 11.12.5).
type ISID [6]byte

func (i ISID) String() string { return fmt.Sprintf("%x", i[:]) }

// LoginRequest negotiates a session, as described in RFC 7143, Section 11.12.
// It is always immediate.
type LoginRequest struct {
	Transit                bool // the T bit: ready to go from CSG to NSG
	Continue               bool // the keys go on in the next PDU
	CSG, NSG               Stage
	VersionMax, VersionMin uint8
	ISID                   ISID
	TSIH                   uint16 // 0 for a new session or a reinstatement
	ITT                    uint32
	CID                    uint16
	CmdSN, ExpStatSN       uint32
}

var _ PDU = (*LoginRequest)(nil)

// Marshal writes the header.
func (p *LoginRequest) Marshal(b *BHS) {
	b.start(OpLoginReq, true, stageFlags(p.Transit, p.Continue, p.CSG, p.NSG))
	b[2], b[3] = p.VersionMax, p.VersionMin
	copy(b[offISID:], p.ISID[:])
	b.put16(offTSIH, p.TSIH)
	b.put32(offITT, p.ITT)
	b.put16(offTag, p.CID)
	b.put32(offCmdSN, p.CmdSN)
	b.put32(offExpStatSN, p.ExpStatSN)
}

// Unmarshal reads the header.
func (p *LoginRequest) Unmarshal(b *BHS) error {
	if err := b.expect(OpLoginReq); err != nil {
		return err
	}
	*p = LoginRequest{
		Transit:    b.Final(),
		Continue:   b.flag(bitContinue),
		CSG:        Stage(b[offFlags] >> 2 & 3),
		NSG:        Stage(b[offFlags] & 3),
		VersionMax: b[2],
		VersionMin: b[3],
		ISID:       ISID(b[offISID : offISID+6]),
		TSIH:       b.u16(offTSIH),
		ITT:        b.ITT(),
		CID:        b.u16(offTag),
		CmdSN:      b.u32(offCmdSN),
		ExpStatSN:  b.u32(offExpStatSN),
	}
	return nil
}

// LoginResponse answers a LoginRequest, as described in RFC 7143, Section
// 11.13. StatSN and the command window are valid only with StatusClass 0.
type LoginResponse struct {
	Transit                   bool
	Continue                  bool
	CSG, NSG                  Stage
	VersionMax, VersionActive uint8
	ISID                      ISID
	TSIH                      uint16
	ITT                       uint32
	Sequence
	StatusClass, StatusDetail uint8
}

var _ PDU = (*LoginResponse)(nil)

// Marshal writes the header.
func (p *LoginResponse) Marshal(b *BHS) {
	b.start(OpLoginResp, false, stageFlags(p.Transit, p.Continue, p.CSG, p.NSG))
	b[2], b[3] = p.VersionMax, p.VersionActive
	copy(b[offISID:], p.ISID[:])
	b.put16(offTSIH, p.TSIH)
	b.put32(offITT, p.ITT)
	p.Sequence.marshal(b)
	b[36], b[37] = p.StatusClass, p.StatusDetail
}

// Unmarshal reads the header.
func (p *LoginResponse) Unmarshal(b *BHS) error {
	if err := b.expect(OpLoginResp); err != nil {
		return err
	}
	*p = LoginResponse{
		Transit:       b.Final(),
		Continue:      b.flag(bitContinue),
		CSG:           Stage(b[offFlags] >> 2 & 3),
		NSG:           Stage(b[offFlags] & 3),
		VersionMax:    b[2],
		VersionActive: b[3],
		ISID:          ISID(b[offISID : offISID+6]),
		TSIH:          b.u16(offTSIH),
		ITT:           b.ITT(),
		StatusClass:   b[36],
		StatusDetail:  b[37],
	}
	p.Sequence.unmarshal(b)
	return nil
}

func stageFlags(transit, more bool, csg, nsg Stage) byte {
	return bit(bitFinal, transit) | bit(bitContinue, more) | byte(csg)&3<<2 | byte(nsg)&3
}
