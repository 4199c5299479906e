package initiator

import (
	"strconv"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// Params are the operational parameters of a session, as the login left them
// (RFC 7143, Section 13). Lengths are in bytes, times in seconds.
type Params struct {
	HeaderDigest, DataDigest bool // CRC32C in use
	InitialR2T               bool
	ImmediateData            bool
	DataPDUInOrder           bool
	DataSequenceInOrder      bool
	// MaxRecvDataSegmentLength is what the initiator declared: the longest
	// data segment that the target may send.
	MaxRecvDataSegmentLength int
	// MaxXmitDataSegmentLength is what the target declared: the longest data
	// segment that the initiator may send.
	MaxXmitDataSegmentLength int
	MaxBurstLength           int
	FirstBurstLength         int
	MaxOutstandingR2T        int
	MaxConnections           int
	ErrorRecoveryLevel       int
	DefaultTime2Wait         int
	DefaultTime2Retain       int
	TargetAlias              string
	TargetPortalGroupTag     int // -1 when the target did not tell
}

// DefaultParams returns what holds when no key was exchanged: the defaults of
// RFC 7143, Section 13.
func DefaultParams() Params {
	return Params{
		InitialR2T:               true,
		ImmediateData:            true,
		DataPDUInOrder:           true,
		DataSequenceInOrder:      true,
		MaxRecvDataSegmentLength: 8192,
		MaxXmitDataSegmentLength: 8192,
		MaxBurstLength:           262144,
		FirstBurstLength:         65536,
		MaxOutstandingR2T:        1,
		MaxConnections:           1,
		DefaultTime2Wait:         2,
		DefaultTime2Retain:       20,
		TargetPortalGroupTag:     -1,
	}
}

// Keys lists the parameters under the names that iscsiadm shows them with.
func (p Params) Keys() []pdu.KeyValue {
	return []pdu.KeyValue{
		{Key: "HeaderDigest", Value: digestName(p.HeaderDigest)},
		{Key: "DataDigest", Value: digestName(p.DataDigest)},
		{Key: "MaxRecvDataSegmentLength", Value: strconv.Itoa(p.MaxRecvDataSegmentLength)},
		{Key: "MaxXmitDataSegmentLength", Value: strconv.Itoa(p.MaxXmitDataSegmentLength)},
		{Key: "FirstBurstLength", Value: strconv.Itoa(p.FirstBurstLength)},
		{Key: "MaxBurstLength", Value: strconv.Itoa(p.MaxBurstLength)},
		{Key: "ImmediateData", Value: yesNo(p.ImmediateData)},
		{Key: "InitialR2T", Value: yesNo(p.InitialR2T)},
		{Key: "MaxOutstandingR2T", Value: strconv.Itoa(p.MaxOutstandingR2T)},
		{Key: "MaxConnections", Value: strconv.Itoa(p.MaxConnections)},
		{Key: "DataPDUInOrder", Value: yesNo(p.DataPDUInOrder)},
		{Key: "DataSequenceInOrder", Value: yesNo(p.DataSequenceInOrder)},
		{Key: "ErrorRecoveryLevel", Value: strconv.Itoa(p.ErrorRecoveryLevel)},
		{Key: "DefaultTime2Wait", Value: strconv.Itoa(p.DefaultTime2Wait)},
		{Key: "DefaultTime2Retain", Value: strconv.Itoa(p.DefaultTime2Retain)},
	}
}

func digestName(crc bool) string {
	if crc {
		return "CRC32C"
	}
	return "None"
}

func yesNo(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}
