package pdu

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// header reads the words of a table.
func header(t *testing.T, words string) BHS {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(words), ""))
	if err != nil || len(b) != BHSLength {
		t.Fatalf("%d bytes, %v: %s", len(b), err, words)
	}
	return BHS(b)
}

// tableHeader is header outside of a test; TestLayouts has checked the words.
func tableHeader(words string) *BHS {
	var b BHS
	hex.Decode(b[:], []byte(strings.Join(strings.Fields(words), "")))
	return &b
}

func TestAHS(t *testing.T) {
	wire := "\x00\x05\x01\x00abcd" + "\x00\x05\x02\x00\x00\x01\x00\x00" + "\x00\x02\x3f\x00\x01\x00\x00\x00"
	segments := []AHS{
		{AHSExtendedCDB, []byte("\x00abcd")},
		{AHSBidiReadDataSize, []byte{0, 0, 1, 0, 0}},
		{0x3f, []byte{0, 1}}, // unknown, and padded
	}
	var b []byte
	for _, a := range segments {
		b = AppendAHS(b, a)
	}
	if diff := cmp.Diff(wire, string(b)); diff != "" {
		t.Error(diff)
	}
	got, err := ParseAHS([]byte(wire))
	if diff := cmp.Diff(segments, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for _, bad := range []string{"\x00", "\x00\x01\x01", "\x00\x02\x01\x00", "\xff\xff\x01\x00", "\x00\x05\x01\x00abc"} {
		if got, err := ParseAHS([]byte(bad)); !errors.Is(err, ErrAHS) {
			t.Errorf("%q: got %v, %v", bad, got, err)
		}
	}
}

func FuzzParseAHS(f *testing.F) {
	f.Add([]byte("\x00\x05\x01\x00abcd"))
	f.Add([]byte("\xff\xff\x01\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		segments, err := ParseAHS(b)
		if err != nil {
			return
		}
		var again []byte
		for _, a := range segments {
			again = AppendAHS(again, a)
		}
		got, err := ParseAHS(again)
		if diff := cmp.Diff(segments, got); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	})
}

func TestKeys(t *testing.T) {
	keys := []KeyValue{{"InitiatorName", "iqn.a"}, {"Empty", ""}, {"Twice", "a=b"}, {"Twice", "c"}}
	wire := "InitiatorName=iqn.a\x00Empty=\x00Twice=a=b\x00Twice=c\x00"
	if got := AppendKeys([]byte("before"), keys...); string(got) != "before"+wire {
		t.Errorf("got %q", got)
	}
	for _, w := range []string{wire, "\x00\x00" + wire + "\x00"} {
		got, err := ParseKeys([]byte(w))
		if diff := cmp.Diff(keys, got); err != nil || diff != "" {
			t.Errorf("%q: %v %s", w, err, diff)
		}
	}
	longest := strings.Repeat("k", MaxKeyLength)
	if _, err := ParseKeys([]byte(longest + "=v\x00")); err != nil {
		t.Error(err)
	}
	for bad, want := range map[string]error{
		"a=b": ErrKeyEnd, "a=b\x00c": ErrKeyEnd, "a\x00": ErrKeyFormat, "=b\x00": ErrKeyFormat, longest + "k=v\x00": nil,
	} {
		if got, err := ParseKeys([]byte(bad)); err == nil || want != nil && !errors.Is(err, want) {
			t.Errorf("%q: got %v, %v", bad, got, err)
		}
	}
}

func FuzzParseKeys(f *testing.F) {
	f.Add([]byte("AuthMethod=None\x00\x00TargetPortalGroupTag=1\x00"))
	f.Add([]byte("=\x00"))
	f.Add([]byte("a"))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := ParseKeys(b)
		if err != nil {
			return
		}
		got, err := ParseKeys(AppendKeys(nil, keys...))
		if diff := cmp.Diff(keys, got); err != nil || diff != "" {
			t.Fatal(err, diff)
		}
	})
}

// TestDigest has the examples of RFC 7143, Appendix A.4.
func TestDigest(t *testing.T) {
	up, down := make([]byte, 32), make([]byte, 32)
	for i := range up {
		up[i], down[i] = byte(i), byte(31-i)
	}
	for _, tt := range []struct {
		data []byte
		want string
	}{
		{make([]byte, 32), "aa36918a"},
		{[]byte(strings.Repeat("\xff", 32)), "43aba862"},
		{up, "4e79dd46"},
		{down, "5cdb3f11"},
	} {
		for split := range len(tt.data) + 1 {
			var got [4]byte
			d := Digest(0).Add(tt.data[:split]).Add(tt.data[split:])
			d.Put(got[:])
			if hex.EncodeToString(got[:]) != tt.want {
				t.Fatalf("%x in two parts at %d: got %x, want %s", tt.data, split, got, tt.want)
			}
			if ReadDigest(got[:]) != d {
				t.Fatalf("%x reads as %x, not %x", got, ReadDigest(got[:]), d)
			}
		}
	}
	if got, want := Digest(0).Add(make([]byte, 29)).AddPadding(29), Digest(0).Add(make([]byte, 32)); got != want {
		t.Errorf("padding: got %x, want %x", got, want)
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		got  interface{ String() string }
		want string
	}{
		{Opcode(0x1f), "unknown(0x1f)"},
		{AsyncLogoutRequest, "target requests logout"}, {AsyncEvent(99), "unknown(99)"},
		{LogicalUnitReset, "LOGICAL UNIT RESET"}, {TaskMgmtFunction(0), "unknown(0)"}, {TaskMgmtFunction(9), "unknown(9)"},
		{LUNDoesNotExist, "LUN does not exist"}, {TaskMgmtResult(9), "unknown(9)"},
		{RejectSNACK, "SNACK reject"}, {RejectReason(1), "unknown(0x01)"},
		{CIDNotFound, "CID not found"}, {LogoutResult(9), "unknown(9)"},
		{TargetFailure, "Target Failure"}, {ResponseCode(0x80), "unknown(0x80)"},
		{OperationalNegotiation, "LoginOperationalNegotiation"}, {Stage(2), "unknown(2)"},
		{ISID{0x80, 1, 2, 3, 4, 5}, "800102030405"},
	} {
		if got := tt.got.String(); got != tt.want {
			t.Errorf("%T: got %q, want %q", tt.got, got, tt.want)
		}
	}
}
