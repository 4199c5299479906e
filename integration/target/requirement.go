package target

import "github.com/iscsifs/iscsifs/initiator/pdu"

// Requirement is one thing that RFC 7143 demands of an initiator.
type Requirement struct {
	Name     string // short and stable, for tests
	Section  string // of RFC 7143
	Sentence string // what it demands there
	reaction reaction
}

// reaction is what a strict target does about a broken requirement.
type reaction struct {
	reject pdu.RejectReason // answered with a Reject, unless 0
	drop   bool             // the connection ends, after the Reject if there is one
	always bool             // also when not strict: there is no way to go on
}

var (
	noted     = reaction{}
	protocol  = reaction{reject: pdu.RejectProtocolError, drop: true}
	badField  = reaction{reject: pdu.RejectInvalidPDUField}
	mustDrop  = reaction{drop: true, always: true}
	mustField = reaction{reject: pdu.RejectInvalidPDUField, always: true}
	// Without the data of a task in order there is no way to end it well.
	mustEnd = reaction{reject: pdu.RejectInvalidPDUField, drop: true, always: true}
)

// What is demanded of every PDU.
var (
	reqOpcode         = &Requirement{"opcode", "11.2.1.2", "Initiator opcodes are those of requests and Data-Out; a PDU with another one is a format error.", reaction{reject: pdu.RejectNotSupported, always: true}}
	reqReserved       = &Requirement{"reserved", "11.1", "Any field or bit that is reserved MUST be set to zero by the sender.", badField}
	reqFinalFixed     = &Requirement{"final-fixed", "11.5, 11.14, 11.18", "Bit 0 of byte 1 is always 1 in NOP-Out, Task Management and Logout requests.", badField}
	reqPadding        = &Requirement{"padding", "11.1", "Padding bytes SHOULD be sent as 0.", noted}
	reqHeaderDigest   = &Requirement{"header-digest", "7.7", "The header digest covers BHS and AHS; at error recovery level 0 a wrong one ends the session.", mustDrop}
	reqDataDigest     = &Requirement{"data-digest", "7.8", "A target that receives a PDU with a payload digest error MUST answer it with a Reject with the reason Data-Digest-Error.", reaction{reject: pdu.RejectDataDigest, always: true}}
	reqMaxRecv        = &Requirement{"max-recv", "13.12", "A data segment MUST NOT be longer than the receiver's declared MaxRecvDataSegmentLength.", mustDrop}
	reqExpStatSNAhead = &Requirement{"expstatsn-ahead", "4.2.2.2", "ExpStatSN acknowledges statuses received; it cannot pass the next StatSN of the target.", protocol}
	reqExpStatSNBack  = &Requirement{"expstatsn-back", "4.2.2.2", "ExpStatSN acknowledges all earlier statuses and never goes back.", protocol}
	reqDiscoveryOnly  = &Requirement{"discovery-only", "4.3", "In a discovery session only Text, Logout and ping are allowed.", reaction{reject: pdu.RejectProtocolError, always: true}}
	reqSNACK          = &Requirement{"snack", "11.16", "SNACK is not used at error recovery level 0.", reaction{reject: pdu.RejectSNACK, always: true}}
	reqAHS            = &Requirement{"ahs", "11.2.2", "Only a SCSI Command has additional header segments, and they fill TotalAHSLength.", mustField}
	reqAfterLogout    = &Requirement{"after-logout", "11.14", "After the Logout Request no new request is sent on the connections it closes.", noted}
)

// The numbering of commands and tags.
var (
	reqCmdSNWindow    = &Requirement{"cmdsn-window", "4.2.2.1", "CmdSN MUST lie between ExpCmdSN and MaxCmdSN and be used once.", noted}
	reqCmdSNStep      = &Requirement{"cmdsn-step", "4.2.2.1", "CmdSN is incremented by 1 for every non-immediate request of the session, in the order of sending.", noted}
	reqImmediateCmdSN = &Requirement{"immediate-cmdsn", "4.2.2.1", "An immediate request carries the current CmdSN and does not advance it.", noted}
	reqITTInUse       = &Requirement{"itt-in-use", "11.2.1.8", "The Initiator Task Tag MUST be unique in the session while its task is open.", reaction{reject: pdu.RejectTaskInProgress, always: true}}
	reqITTReserved    = &Requirement{"itt-reserved", "11.2.1.8", "0xffffffff names no task and MUST NOT be the Initiator Task Tag of one.", mustField}
)

// SCSI commands and their data.
var (
	reqReadWrite     = &Requirement{"read-write-bits", "11.3.1", "The R and W bits say which way the data of the CDB goes.", noted}
	reqEDTL          = &Requirement{"edtl", "11.3.4", "Expected Data Transfer Length is the number of bytes that the command is to transfer.", noted}
	reqFinalRead     = &Requirement{"final-no-data", "11.3.1", "The F bit MUST be 1 when no unsolicited Data-Out follows, and so when W is 0.", badField}
	reqImmediateData = &Requirement{"immediate-data", "13.11", "Immediate data MUST NOT be sent when ImmediateData=No.", protocol}
	reqDataWithoutW  = &Requirement{"data-without-w", "11.3.1", "Only a command with the W bit carries data to the target.", mustEnd}
	reqInitialR2T    = &Requirement{"initial-r2t", "13.10", "Unsolicited Data-Out MUST NOT be sent when InitialR2T=Yes.", protocol}
	reqFirstBurst    = &Requirement{"first-burst", "13.14", "Immediate and unsolicited data together MUST NOT exceed FirstBurstLength.", protocol}
	reqFullFirst     = &Requirement{"first-burst-full", "11.3.4", "An initiator that sends unsolicited Data-Out MUST send all that FirstBurstLength allows.", protocol}
	reqBeyondEDTL    = &Requirement{"beyond-edtl", "11.3.4", "Data MUST NOT exceed the Expected Data Transfer Length.", mustEnd}
	reqDataTask      = &Requirement{"data-task", "11.7.3", "Data-Out carries the Initiator Task Tag of the write that it belongs to.", mustEnd}
	reqDataTTT       = &Requirement{"data-ttt", "11.7.4", "Solicited Data-Out carries the Target Transfer Tag of the R2T that it answers, unsolicited 0xffffffff.", mustEnd}
	reqDataLUN       = &Requirement{"data-lun", "11.7.4", "Solicited Data-Out carries the LUN of its R2T.", badField}
	reqDataSN        = &Requirement{"data-sn", "11.7.5", "DataSN starts at 0 in each sequence and is incremented by 1.", protocol}
	reqDataOffset    = &Requirement{"data-offset", "11.7.6", "With DataPDUInOrder=Yes the data of a sequence is sent in increasing order without gaps.", mustEnd}
	reqBurstFilled   = &Requirement{"burst-filled", "11.8.4", "An R2T is answered with exactly the data that it asks for, the F bit in the last PDU.", protocol}
)

// Requests other than SCSI commands.
var (
	reqNOPTag       = &Requirement{"nop-ttt", "11.18.2", "The answer to a NOP-In carries its Target Transfer Tag and no Initiator Task Tag.", protocol}
	reqNOPLUN       = &Requirement{"nop-lun", "11.18.2", "The answer to a NOP-In copies its LUN.", protocol}
	reqNOPImmed     = &Requirement{"nop-immediate", "11.18.1", "A NOP-Out without an Initiator Task Tag MUST be immediate.", protocol}
	reqTextContinue = &Requirement{"text-continue", "11.10.2", "A request with the C bit MUST NOT have the F bit.", protocol}
	reqTextTag      = &Requirement{"text-ttt", "11.10.4", "A text request that continues an exchange repeats the Target Transfer Tag of the last answer.", protocol}
	reqTextFormat   = &Requirement{"text-format", "6.1", "Every key=value pair is followed by at least one zero byte.", reaction{reject: pdu.RejectProtocolError, always: true}}
	reqTMFTag       = &Requirement{"tmf-tag", "11.5.4", "The Referenced Task Tag is 0xffffffff unless one task is named.", noted}
	reqRefCmdSN     = &Requirement{"tmf-refcmdsn", "11.5.5", "RefCmdSN is the CmdSN of the task to abort.", noted}
)

// Login.
var (
	reqLoginFirst    = &Requirement{"login-first", "6.3", "Only Login Requests are sent before the full feature phase.", mustDrop}
	reqLoginTC       = &Requirement{"login-transit-continue", "11.12.2", "A Login Request with the C bit MUST NOT have the T bit.", loginFault}
	reqLoginStage    = &Requirement{"login-stage", "11.12.3", "CSG is the stage of the exchange, NSG a later one; 2 is reserved.", loginMust}
	reqLoginConstant = &Requirement{"login-constant", "11.12.5-11.12.7", "ISID, TSIH, CID and Initiator Task Tag stay the same in all Login Requests of a connection.", loginFault}
	reqLoginCmdSN    = &Requirement{"login-cmdsn", "11.12.8", "Login Requests are immediate: CmdSN stays the same.", loginFault}
	reqLoginFormat   = &Requirement{"login-format", "6.1", "Every key=value pair is followed by at least one zero byte.", loginMust}
	reqLoginNames    = &Requirement{"login-names", "6.3", "InitiatorName, TargetName and SessionType stand in the first request only.", loginFault}
	reqKeyTwice      = &Requirement{"key-twice", "6.3", "A key MUST NOT be declared or negotiated more than once in a login.", loginFault}
	reqKeyStage      = &Requirement{"key-stage", "13", "Operational keys are not negotiated in the security stage, nor AuthMethod outside it.", loginFault}
	reqKeyValue      = &Requirement{"key-value", "6.2", "A value lies in the range that its key allows.", noted}
	reqAuthOrder     = &Requirement{"auth-order", "12.1.3", "CHAP goes AuthMethod, CHAP_A, then CHAP_N and CHAP_R with CHAP_I and CHAP_C or without.", loginMust}
	reqCHAPReflect   = &Requirement{"chap-reflected", "9.2.1", "An initiator MUST NOT reuse the challenge of the target.", loginMust}
)

// Breaches of the login end it with a status, see login.go.
var (
	loginFault = reaction{drop: true}
	loginMust  = reaction{drop: true, always: true}
)
