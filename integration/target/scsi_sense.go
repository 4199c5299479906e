package target

import "github.com/iscsifs/iscsifs/initiator/pdu"

// SCSI status codes (SAM-5, Section 5.3.1).
const (
	statusGood                = 0x00
	statusCheckCondition      = 0x02
	statusReservationConflict = 0x18
	statusTaskAborted         = 0x40
)

// Sense keys (SPC-4, Section 4.5.6).
const (
	senseNoSense        = 0x0
	senseNotReady       = 0x2
	senseMedium         = 0x3
	senseIllegalRequest = 0x5
	senseUnitAttention  = 0x6
	senseDataProtect    = 0x7
	senseAborted        = 0xb
	senseMiscompare     = 0xe
)

// asc is an additional sense code with its qualifier (SPC-4, Annex F).
type asc struct{ code, qualifier byte }

var (
	ascNone                   = asc{0x00, 0x00}
	ascTransition             = asc{0x04, 0x0a}
	ascStandby                = asc{0x04, 0x0b}
	ascUnavailable            = asc{0x04, 0x0c}
	ascOffline                = asc{0x04, 0x12}
	ascWriteError             = asc{0x0c, 0x00}
	ascReadError              = asc{0x11, 0x00}
	ascParameterLength        = asc{0x1a, 0x00}
	ascMiscompare             = asc{0x1d, 0x00}
	ascInvalidOpcode          = asc{0x20, 0x00}
	ascOutOfRange             = asc{0x21, 0x00}
	ascInvalidField           = asc{0x24, 0x00}
	ascNoLUN                  = asc{0x25, 0x00}
	ascInvalidParameter       = asc{0x26, 0x00}
	ascInvalidRelease         = asc{0x26, 0x04}
	ascWriteProtected         = asc{0x27, 0x00}
	ascSpaceAllocationFailed  = asc{0x27, 0x07}
	ascReset                  = asc{0x29, 0x00}
	ascPowerOn                = asc{0x29, 0x01}
	ascModeChanged            = asc{0x2a, 0x01}
	ascReservationsPreempted  = asc{0x2a, 0x03}
	ascReservationsReleased   = asc{0x2a, 0x04}
	ascRegistrationsPreempted = asc{0x2a, 0x05}
	ascAccessStateChanged     = asc{0x2a, 0x06}
	ascTransitionFailed       = asc{0x2a, 0x07}
	ascCapacityChanged        = asc{0x2a, 0x09}
	ascSoftThreshold          = asc{0x38, 0x07}
	ascInquiryChanged         = asc{0x3f, 0x03}
	ascLUNsChanged            = asc{0x3f, 0x0e}
	ascProtocolServiceCRC     = asc{0x47, 0x05}
)

// result is how a command ends.
type result struct {
	response pdu.ResponseCode
	status   byte
	sense    *sense
	data     []byte
}

// sense is sense data before its format is chosen.
type sense struct {
	key byte
	asc asc
	raw []byte // given as a whole by a rule
}

func good(data []byte) *result { return &result{data: data} }

func checkCondition(key byte, a asc) *result {
	return &result{status: statusCheckCondition, sense: &sense{key: key, asc: a}}
}

// encode writes sense data in descriptor or fixed format (SPC-4, Sections
// 4.5.2 and 4.5.3).
func (s *sense) encode(descriptor bool) []byte {
	if s.raw != nil {
		return s.raw
	}
	if descriptor {
		return []byte{0x72, s.key, s.asc.code, s.asc.qualifier, 0, 0, 0, 0}
	}
	b := make([]byte, 18)
	b[0], b[2], b[7] = 0x70, s.key, byte(len(b)-8)
	b[12], b[13] = s.asc.code, s.asc.qualifier
	return b
}

// requestSense reports, and clears, a pending unit attention (SPC-4, Section
// 6.39).
func requestSense(x *call) *result {
	s := sense{key: senseNoSense, asc: ascNone}
	if x.lun == nil {
		s = sense{key: senseIllegalRequest, asc: ascNoLUN}
	} else if a := x.lun.takeAttention(x.sess); a != nil {
		s = sense{key: senseUnitAttention, asc: *a}
	}
	return truncated(s.encode(x.cdb[1]&1 != 0), uint64(x.cdb[4]))
}

// Answer is a result that a rule gives instead of the command's own.
type Answer struct {
	Response pdu.ResponseCode // iSCSI service response; 0: Command Completed
	Status   byte             // SAM-5 status
	// Key, ASC and ASCQ make sense data for the status 02h, CHECK CONDITION.
	Key, ASC, ASCQ byte
	Sense          []byte // sense data as a whole, instead of them
}

func (a *Answer) result() *result {
	r := &result{response: a.Response, status: a.Status}
	if a.Status == statusCheckCondition || a.Sense != nil {
		r.sense = &sense{key: a.Key, asc: asc{a.ASC, a.ASCQ}, raw: a.Sense}
	}
	return r
}

// CheckCondition is an Answer with sense data.
func CheckCondition(key, code, qualifier byte) Answer {
	return Answer{Status: statusCheckCondition, Key: key, ASC: code, ASCQ: qualifier}
}
