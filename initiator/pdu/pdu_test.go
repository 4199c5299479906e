package pdu

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// lun is the LUN field of the tables.
var lun = [8]byte{0x40, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07}

// seq is what "a1a2a3a4 b1b2b3b4 c1c2c3c4" stands for in the tables.
var seq = Sequence{StatSN: 0xa1a2a3a4, ExpCmdSN: 0xb1b2b3b4, MaxCmdSN: 0xc1c2c3c4}

// layouts has every type of PDU as the 12 words of its header, written from
// the figures of RFC 7143, Section 11.
var layouts = []struct {
	name string
	wire string
	pdu  PDU
}{
	{"NOP-Out", `40800000 00000000 40010203 04050607 11121314 21222324 31323334 41424344
		00000000 00000000 00000000 00000000`,
		&NOPOut{Immediate: true, LUN: lun, ITT: 0x11121314, TTT: 0x21222324, CmdSN: 0x31323334, ExpStatSN: 0x41424344}},
	{"SCSI Command, write", `01a10000 00000000 40010203 04050607 11121314 00010000 31323334 41424344
		8a000000 00000000 00010000 00080000`,
		&SCSICommand{Final: true, Write: true, Attr: Simple, LUN: lun, ITT: 0x11121314, ExpectedDataTransferLength: 65536,
			CmdSN: 0x31323334, ExpStatSN: 0x41424344, CDB: [16]byte{0x8a, 9: 1, 13: 8}}},
	{"SCSI Command, immediate read", `41430000 00000000 40010203 04050607 11121314 00000200 31323334 41424344
		28000000 00000000 01000000 00000000`,
		&SCSICommand{Immediate: true, Read: true, Attr: HeadOfQueue, LUN: lun, ITT: 0x11121314, ExpectedDataTransferLength: 512,
			CmdSN: 0x31323334, ExpStatSN: 0x41424344, CDB: [16]byte{0x28, 8: 1}}},
	{"Task Management Function Request", `42810000 00000000 40010203 04050607 11121314 21222324 31323334 41424344
		51525354 61626364 00000000 00000000`,
		&TaskMgmtRequest{Immediate: true, Function: AbortTask, LUN: lun, ITT: 0x11121314, ReferencedTaskTag: 0x21222324,
			CmdSN: 0x31323334, ExpStatSN: 0x41424344, RefCmdSN: 0x51525354, ExpDataSN: 0x61626364}},
	{"Login Request", `43870201 00000000 80010203 04050607 11121314 21220000 31323334 41424344
		00000000 00000000 00000000 00000000`,
		&LoginRequest{Transit: true, CSG: OperationalNegotiation, NSG: FullFeaturePhase, VersionMax: 2, VersionMin: 1,
			ISID: ISID{0x80, 1, 2, 3, 4, 5}, TSIH: 0x0607, ITT: 0x11121314, CID: 0x2122, CmdSN: 0x31323334, ExpStatSN: 0x41424344}},
	{"Login Request, continued", `43400000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
		00000000 00000000 00000000 00000000`,
		&LoginRequest{Continue: true}},
	{"Text Request", `04c00000 00000000 40010203 04050607 11121314 ffffffff 31323334 41424344
		00000000 00000000 00000000 00000000`,
		&TextRequest{Final: true, Continue: true, LUN: lun, ITT: 0x11121314, TTT: ReservedTag, CmdSN: 0x31323334, ExpStatSN: 0x41424344}},
	{"SCSI Data-Out", `05800000 00000000 40010203 04050607 11121314 21222324 00000000 41424344
		00000000 51525354 61626364 00000000`,
		&DataOut{Final: true, LUN: lun, ITT: 0x11121314, TTT: 0x21222324, ExpStatSN: 0x41424344, DataSN: 0x51525354, BufferOffset: 0x61626364}},
	{"Logout Request", `46810000 00000000 00000000 00000000 11121314 21220000 31323334 41424344
		00000000 00000000 00000000 00000000`,
		&LogoutRequest{Immediate: true, Reason: CloseConnection, ITT: 0x11121314, CID: 0x2122, CmdSN: 0x31323334, ExpStatSN: 0x41424344}},
	{"SNACK Request", `10810000 00000000 40010203 04050607 11121314 21222324 00000000 41424344
		00000000 00000000 51525354 61626364`,
		&SNACKRequest{Type: SNACKStatus, LUN: lun, ITT: 0x11121314, TTT: 0x21222324, ExpStatSN: 0x41424344, BegRun: 0x51525354, RunLength: 0x61626364}},
	{"NOP-In", `20800000 00000000 40010203 04050607 ffffffff 21222324 a1a2a3a4 b1b2b3b4
		c1c2c3c4 00000000 00000000 00000000`,
		&NOPIn{LUN: lun, ITT: ReservedTag, TTT: 0x21222324, Sequence: seq}},
	{"SCSI Response", `21920002 00000000 00000000 00000000 11121314 21222324 a1a2a3a4 b1b2b3b4
		c1c2c3c4 51525354 61626364 71727374`,
		&SCSIResponse{Response: CommandCompleted, Status: 2, ITT: 0x11121314, SNACKTag: 0x21222324, Sequence: seq, ExpDataSN: 0x51525354,
			BidiReadResidual: Residual{Overflow: true, Count: 0x61626364}, Residual: Residual{Underflow: true, Count: 0x71727374}}},
	{"SCSI Response, target failure", `218c0100 00000000 00000000 00000000 11121314 00000000 a1a2a3a4 b1b2b3b4
		c1c2c3c4 00000000 00000000 00000001`,
		&SCSIResponse{Response: TargetFailure, ITT: 0x11121314, Sequence: seq,
			BidiReadResidual: Residual{Underflow: true}, Residual: Residual{Overflow: true, Count: 1}}},
	{"Task Management Function Response", `2280ff00 00000000 00000000 00000000 11121314 00000000 a1a2a3a4 b1b2b3b4
		c1c2c3c4 00000000 00000000 00000000`,
		&TaskMgmtResponse{Result: FunctionRejected, ITT: 0x11121314, Sequence: seq}},
	{"Login Response", `23810201 00000000 80010203 04050607 11121314 00000000 a1a2a3a4 b1b2b3b4
		c1c2c3c4 02030000 00000000 00000000`,
		&LoginResponse{Transit: true, CSG: SecurityNegotiation, NSG: OperationalNegotiation, VersionMax: 2, VersionActive: 1,
			ISID: ISID{0x80, 1, 2, 3, 4, 5}, TSIH: 0x0607, ITT: 0x11121314, Sequence: seq, StatusClass: 2, StatusDetail: 3}},
	{"Login Response, continued", `23440000 00000000 00000000 00000000 00000000 00000000 a1a2a3a4 b1b2b3b4
		c1c2c3c4 00000000 00000000 00000000`,
		&LoginResponse{Continue: true, CSG: OperationalNegotiation, Sequence: seq}},
	{"Text Response", `24400000 00000000 40010203 04050607 11121314 21222324 a1a2a3a4 b1b2b3b4
		c1c2c3c4 00000000 00000000 00000000`,
		&TextResponse{Continue: true, LUN: lun, ITT: 0x11121314, TTT: 0x21222324, Sequence: seq}},
	{"SCSI Data-In with status", `25830008 00000000 40010203 04050607 11121314 ffffffff a1a2a3a4 b1b2b3b4
		c1c2c3c4 51525354 61626364 71727374`,
		&DataIn{Final: true, HasStatus: true, Status: 8, LUN: lun, ITT: 0x11121314, TTT: ReservedTag, Sequence: seq,
			DataSN: 0x51525354, BufferOffset: 0x61626364, Residual: Residual{Underflow: true, Count: 0x71727374}}},
	{"SCSI Data-In to acknowledge", `25c00000 00000000 40010203 04050607 11121314 21222324 a1a2a3a4 b1b2b3b4
		c1c2c3c4 51525354 61626364 00000000`,
		&DataIn{Final: true, Acknowledge: true, LUN: lun, ITT: 0x11121314, TTT: 0x21222324, Sequence: seq,
			DataSN: 0x51525354, BufferOffset: 0x61626364}},
	{"Logout Response", `26800300 00000000 00000000 00000000 11121314 00000000 a1a2a3a4 b1b2b3b4
		c1c2c3c4 00000000 00020014 00000000`,
		&LogoutResponse{Result: CleanupFailed, ITT: 0x11121314, Sequence: seq, Time2Wait: 2, Time2Retain: 20}},
	{"Ready To Transfer", `31800000 00000000 40010203 04050607 11121314 21222324 a1a2a3a4 b1b2b3b4
		c1c2c3c4 51525354 61626364 71727374`,
		&R2T{LUN: lun, ITT: 0x11121314, TTT: 0x21222324, Sequence: seq, R2TSN: 0x51525354, BufferOffset: 0x61626364,
			DesiredDataTransferLength: 0x71727374}},
	{"Asynchronous Message", `32800000 00000000 40010203 04050607 ffffffff 00000000 a1a2a3a4 b1b2b3b4
		c1c2c3c4 ff110102 03040506 00000000`,
		&AsyncMessage{LUN: lun, Sequence: seq, Event: AsyncVendor, VCode: 0x11, Parameter1: 0x0102, Parameter2: 0x0304, Parameter3: 0x0506}},
	{"Reject", `3f800400 00000000 00000000 00000000 ffffffff 00000000 a1a2a3a4 b1b2b3b4
		c1c2c3c4 51525354 00000000 00000000`,
		&Reject{Reason: RejectProtocolError, Sequence: seq, DataSN: 0x51525354}},
}

func TestLayouts(t *testing.T) {
	for _, tt := range layouts {
		t.Run(tt.name, func(t *testing.T) {
			want := header(t, tt.wire)
			var got BHS
			for i := range got {
				got[i] = 0xee // Marshal writes the whole header
			}
			tt.pdu.Marshal(&got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("marshal: %s", diff)
			}
			p, err := Parse(&want)
			if diff := cmp.Diff(tt.pdu, p); err != nil || diff != "" {
				t.Errorf("parse: %v %s", err, diff)
			}
			if first, _, _ := strings.Cut(tt.name, ","); !strings.HasPrefix(first, want.Opcode().String()) {
				t.Errorf("name: got %q", want.Opcode())
			}
			if want.Opcode().FromTarget() && want.Sequence() != seq {
				t.Errorf("sequence: got %+v", want.Sequence())
			}
		})
	}
}

// TestLayoutsAreWhole holds the table and the opcodes together.
func TestLayoutsAreWhole(t *testing.T) {
	seen := make(map[Opcode]bool)
	for _, tt := range layouts {
		seen[tableHeader(tt.wire).Opcode()] = true
	}
	for op := range opcodeNames {
		if !seen[op] {
			t.Errorf("no layout of %v", op)
		}
		if newPDU(op) == nil {
			t.Errorf("no type for %v", op)
		}
	}
}

func TestUnmarshalOtherOpcode(t *testing.T) {
	var b BHS
	for op := range opcodeNames {
		b[0] = byte(op) ^ 0x01 // of another PDU, or of none
		err := newPDU(op).Unmarshal(&b)
		var e *OpcodeError
		if !errors.As(err, &e) || e.Want != op || e.Got != b.Opcode() || e.Error() == "" {
			t.Errorf("%v: got %v", op, err)
		}
	}
	b[0] = 0x1f
	if p, err := Parse(&b); err == nil {
		t.Errorf("opcode 0x1f: got %v", p)
	}
}

func TestHeaderFields(t *testing.T) {
	var b BHS
	b.SetDataSegmentLength(0x123456)
	b.SetAHSLength(MaxAHSLength)
	b.SetCmdSN(0x01020304)
	b.SetExpStatSN(0x05060708)
	want := BHS{4: 0xff, 5: 0x12, 6: 0x34, 7: 0x56, 24: 1, 25: 2, 26: 3, 27: 4, 28: 5, 29: 6, 30: 7, 31: 8}
	if diff := cmp.Diff(want, b); diff != "" {
		t.Error(diff)
	}
	if b.DataSegmentLength() != 0x123456 || b.AHSLength() != 1020 {
		t.Errorf("lengths: got %d and %d", b.DataSegmentLength(), b.AHSLength())
	}
	b[0], b[1] = 0x41, 0x80
	if b.Opcode() != OpSCSICommand || !b.Immediate() || !b.Final() || b.ITT() != 0 {
		t.Errorf("got %v", &b)
	}
	for n, want := range []int{0, 3, 2, 1, 0} {
		if got := Padding(n); got != want {
			t.Errorf("padding of %d: got %d, want %d", n, got, want)
		}
	}
}

func TestSenseData(t *testing.T) {
	for _, tt := range []struct{ segment, want string }{
		{"\x00\x03abc", "abc"}, {"\x00\x02abc", "ab"}, {"\xff\xffabc", "abc"}, {"\x00\x00", ""}, {"\x00", ""}, {"", ""},
	} {
		if got := SenseData([]byte(tt.segment)); string(got) != tt.want {
			t.Errorf("%q: got %q, want %q", tt.segment, got, tt.want)
		}
	}
}

// FuzzParse holds that what is read and written again reads the same.
func FuzzParse(f *testing.F) {
	for _, tt := range layouts {
		b := tableHeader(tt.wire)
		f.Add(b[:])
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) != BHSLength {
			return
		}
		b := BHS(raw)
		p, err := Parse(&b)
		if err != nil {
			return
		}
		var again BHS
		p.Marshal(&again)
		q, err := Parse(&again)
		if diff := cmp.Diff(p, q); err != nil || diff != "" {
			t.Fatalf("%v %s", err, diff)
		}
		_ = b.String()
	})
}
