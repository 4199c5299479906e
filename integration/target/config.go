package target

import (
	"errors"
	"fmt"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// Config says what a Target is. IQN and LUNs are its first node; Others are
// further targets behind the same portal.
type Config struct {
	IQN  string
	LUNs []*LUN // numbered from 0, unless the option Number says otherwise
	CHAP *CHAP  // nil: no authentication
	// Addresses are the TargetAddress values that SendTargets gives, such as
	// "[::1]:3260,1"; nil: the address that is listened on with its tag;
	// empty but not nil: none.
	Addresses []string
	Others    []Node

	DiscoveryCHAP  *CHAP
	Params         *Params // nil: DefaultParams
	PortalGroupTag uint16  // of the portal of Start; 0: 1
	// TPGS is the field of INQUIRY data: 1 for implicit, 2 for explicit, 3 for
	// both kinds of asymmetric access, see SetAccessState; 0: none, and REPORT
	// TARGET PORT GROUPS is an unknown command.
	TPGS          uint8
	Window        uint32 // commands that may be open in a session; 0: 128
	InitialStatSN uint32 // the first StatSN of each connection; 0: 1

	// Strict refuses what RFC 7143 forbids an initiator to do. Without it
	// such things are only noted, see Violations, where the target can go on.
	Strict bool
	// QuietLogin leaves out the unit attention 29/00 of a new I_T nexus.
	QuietLogin bool
	// SeparateStatus sends the status of reads in a PDU of its own, never in
	// the last Data-In.
	SeparateStatus bool
	// DescriptorSense selects the descriptor format of sense data.
	DescriptorSense bool
	// ReverseR2T asks for the bursts of a write from the end, in sessions
	// that agreed on DataSequenceInOrder=No.
	ReverseR2T bool
	// LoginSplit cuts the keys of login answers every so many bytes, with the
	// C bit; 0: 8192.
	LoginSplit int
	// TextSplit does the same for text answers; 0: what the initiator takes.
	TextSplit int
	// TextByKey sends one key in each text answer, with F=0 and no C bit.
	TextByKey bool
	// Offers are keys that the target brings up itself in the operational
	// stage; the initiator's answer then decides.
	Offers []pdu.KeyValue

	Logger zerolog.Logger
}

// Node is one iSCSI target node; its fields are as those of Config.
type Node struct {
	IQN       string
	LUNs      []*LUN
	CHAP      *CHAP
	Addresses []string
}

// CHAP holds the names and secrets of one authentication (RFC 7143, Section
// 12.1.3). User and Secret are the initiator's; the Mutual ones prove the
// target to an initiator that asks for it.
type CHAP struct {
	User, Secret             string
	MutualUser, MutualSecret string

	Algorithms      []int // accepted CHAP_A values; nil: 8, 7, 6, 5
	ChallengeLength int   // bytes; 0: 32
	Base64          bool  // binary values as base64 instead of hex
}

// Params are what the target offers or answers in a negotiation (RFC 7143,
// Section 13). Lengths are in bytes, times in seconds.
type Params struct {
	InitialR2T               bool
	ImmediateData            bool
	DataPDUInOrder           bool
	DataSequenceInOrder      bool
	MaxRecvDataSegmentLength int
	MaxBurstLength           int
	FirstBurstLength         int
	MaxOutstandingR2T        int
	MaxConnections           int
	ErrorRecoveryLevel       int // levels above 0 are agreed on but not carried out
	DefaultTime2Wait         int
	DefaultTime2Retain       int
	HeaderDigest             []string // accepted values: "None", "CRC32C"
	DataDigest               []string
	TargetAlias              string
}

// DefaultParams returns what a target without wishes offers: unsolicited data
// welcome, large bursts, digests if the initiator wants them.
func DefaultParams() Params {
	return Params{
		ImmediateData:            true,
		DataPDUInOrder:           true,
		DataSequenceInOrder:      true,
		MaxRecvDataSegmentLength: 256 << 10,
		MaxBurstLength:           1 << 20,
		FirstBurstLength:         256 << 10,
		MaxOutstandingR2T:        4,
		MaxConnections:           1,
		DefaultTime2Wait:         2,
		DefaultTime2Retain:       20,
		HeaderDigest:             []string{"None", "CRC32C"},
		DataDigest:               []string{"None", "CRC32C"},
	}
}

// withDefaults returns the configuration with its zero values filled in.
func (c Config) withDefaults() Config {
	if c.Params == nil {
		p := DefaultParams()
		c.Params = &p
	}
	if c.PortalGroupTag == 0 {
		c.PortalGroupTag = 1
	}
	if c.Window == 0 {
		c.Window = 128
	}
	if c.InitialStatSN == 0 {
		c.InitialStatSN = 1
	}
	if c.LoginSplit == 0 {
		c.LoginSplit = 8192
	}
	return c
}

// nodes returns all target nodes of the configuration, the first one first.
func (c *Config) nodes() []Node {
	return append([]Node{{c.IQN, c.LUNs, c.CHAP, c.Addresses}}, c.Others...)
}

func (c *Config) validate() error {
	for _, n := range c.nodes() {
		if n.IQN == "" {
			return errors.New("a target needs an IQN")
		}
		for _, l := range n.LUNs {
			if err := l.validate(); err != nil {
				return fmt.Errorf("target %s: %w", n.IQN, err)
			}
		}
	}
	return nil
}
