package scsi

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReserveOutParameters: SPC-4, table 188: the two keys, an obsolete field,
// byte 20 with APTPL in bit 0.
func TestReserveOutParameters(t *testing.T) {
	got := ReserveOutParameters{Key: 0x0102030405060708, ServiceKey: 0x1112131415161718, APTPL: true}.Marshal()
	want := []byte{1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0, 0, 0, 0, 1, 0, 0, 0}
	if !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
	if b := (ReserveOutParameters{}).Marshal(); !bytes.Equal(b, make([]byte, 24)) {
		t.Errorf("% x", b)
	}
}

// twoKeys is READ KEYS data of generation 9 with two keys.
var twoKeys = []byte{0, 0, 0, 9, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 0, 0, 0, 0, 2}

func TestParseReadKeys(t *testing.T) {
	for name, c := range map[string]struct {
		data  []byte
		keys  []uint64
		total int
		bad   bool
	}{
		"two":                    {data: twoKeys, keys: []uint64{1, 0xff00000000000002}, total: 24},
		"none":                   {data: twoKeys[:4:4], bad: true},
		"none registered":        {data: make([]byte, 8), total: 8},
		"cut by the allocation":  {data: twoKeys[:20], keys: []uint64{1}, total: 24},
		"bytes behind the list":  {data: append(make([]byte, 8), twoKeys...), total: 8},
		"a length out of reason": {data: []byte{0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, bad: true},
	} {
		keys, total, err := ParseReadKeys(c.data)
		if (err != nil) != c.bad || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v", name, err)
		}
		if diff := cmp.Diff(c.keys, keys); diff != "" || total != c.total {
			t.Errorf("%s: total %d, want %d; keys (-want +got):\n%s", name, total, c.total, diff)
		}
	}
}

// heldReservation is READ RESERVATION data (SPC-4, table 174): scope and type
// are in byte 21.
var heldReservation = []byte{0, 0, 0, 9, 0, 0, 0, 16, 0xab, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 5, 0, 0}

func TestParseReadReservation(t *testing.T) {
	typed := func(scopeAndType byte) []byte {
		b := bytes.Clone(heldReservation)
		b[21] = scopeAndType
		return b
	}
	for name, c := range map[string]struct {
		data []byte
		want Reservation
		bad  bool
	}{
		"held":            {data: heldReservation, want: Reservation{Type: WriteExclusiveRegistrantsOnly, Key: 0xab00000000000001}},
		"none":            {data: make([]byte, 8)},
		"none, padded":    {data: make([]byte, 24)},
		"cut":             {data: heldReservation[:23], bad: true},
		"no header":       {data: heldReservation[:7], bad: true},
		"only the header": {data: heldReservation[:8], bad: true},
		"type 0":          {data: typed(0), bad: true},
		"a scope":         {data: typed(0x28), want: Reservation{Type: ExclusiveAccessAllRegistrants, Key: 0xab00000000000001}},
	} {
		got, err := ParseReadReservation(c.data)
		if (err != nil) != c.bad || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: error %v", name, err)
		}
		if got != c.want || got.Held() != (c.want.Type != 0) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestReservationText(t *testing.T) {
	r := Reservation{Type: WriteExclusiveRegistrantsOnly, Key: 0xab}
	if got, want := r.String(), "key 0x00000000000000ab, type Write Exclusive – Registrants Only (5h)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (Reservation{}).String(); got != "no reservation" {
		t.Errorf("%q", got)
	}
	if got := ReservationType(2).String(); got != "unknown(0x2)" {
		t.Errorf("%q", got)
	}
	if WriteExclusiveRegistrantsOnly.AllRegistrants() || !WriteExclusiveAllRegistrants.AllRegistrants() || !ExclusiveAccessAllRegistrants.AllRegistrants() {
		t.Error("which types all registrants hold")
	}
}

func FuzzReserveIn(f *testing.F) {
	f.Add(twoKeys)
	f.Add(heldReservation)
	f.Add([]byte{0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xf7})
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, total, err := ParseReadKeys(b)
		if err == nil && (total < 8 || 8+8*len(keys) > min(total, len(b))) {
			t.Fatalf("% x: %d keys of %d bytes", b, len(keys), total)
		}
		r, err := ParseReadReservation(b)
		if err != nil && r != (Reservation{}) || err == nil && r.Type > 0xf {
			t.Fatalf("% x: %+v, %v", b, r, err)
		}
	})
}
