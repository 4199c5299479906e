package scsi

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// twoPortGroups is an answer of the length only format: group 1, optimized and
// preferred, with the ports 1 and 2; group 0102h in standby with the port 3.
var twoPortGroups = []byte{
	0, 0, 0, 28,
	0x80, 0xcf, 0, 1, 0, 2, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2,
	0x02, 0xcf, 1, 2, 0, 0, 0, 1, 0, 0, 0, 3,
}

func TestParseTargetPortGroups(t *testing.T) {
	want := []TargetPortGroup{
		{ID: 1, State: ActiveOptimized, Preferred: true, Ports: []uint16{1, 2}},
		{ID: 0x102, State: Standby, Ports: []uint16{3}},
	}
	for name, tt := range map[string]struct {
		data  []byte
		want  []TargetPortGroup
		total int
		bad   bool
	}{
		"whole":               {twoPortGroups, want, 32, false},
		"with trailing bytes": {append(append([]byte(nil), twoPortGroups...), 9, 9), want, 32, false},
		"none":                {[]byte{0, 0, 0, 0}, nil, 4, false},
		"second cut":          {twoPortGroups[:30], want[:1], 32, true},
		"second header cut":   {twoPortGroups[:23], want[:1], 32, true},
		"no header":           {twoPortGroups[:3], nil, 0, true},
		"ports past the end":  {[]byte{0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 255}, nil, 12, true},
		"immense":             {[]byte{0xff, 0xff, 0xff, 0xff, 0xf, 0, 0, 1, 0, 0, 0, 0}, []TargetPortGroup{{ID: 1, State: Transitioning}}, 1<<31 - 1, false},
	} {
		groups, total, err := ParseTargetPortGroups(tt.data)
		if diff := cmp.Diff(tt.want, groups); diff != "" || total != tt.total || errors.Is(err, ErrMalformed) != tt.bad {
			t.Errorf("%s: total %d, error %v (-want +got):\n%s", name, total, err, diff)
		}
	}
}

func FuzzTargetPortGroups(f *testing.F) {
	f.Add(twoPortGroups)
	f.Fuzz(func(t *testing.T, b []byte) {
		groups, total, err := ParseTargetPortGroups(b)
		ports := 0
		for _, g := range groups {
			ports += len(g.Ports)
		}
		if portGroupHeader*len(groups)+portSize*ports > len(b) || total < 0 {
			t.Errorf("%d groups with %d ports out of %d bytes, total %d, %v", len(groups), ports, len(b), total, err)
		}
	})
}

func TestTargetPort(t *testing.T) {
	groups, _, _ := ParseTargetPortGroups(twoPortGroups)
	relative := func(id byte) Designator {
		return Designator{Association: AssociationTargetPort, Type: DesignatorRelativeTargetPort, Value: []byte{0, 0, 0, id}}
	}
	ofDevice := portGroup
	ofDevice.Association = AssociationTargetDevice
	short := portGroup
	short.Value = []byte{0, 1}
	for name, tt := range map[string]struct {
		list  []Designator
		group uint16
		found bool
	}{
		"by group":                    {[]Designator{naa6, portGroup, deviceName}, 1, true},
		"by relative port":            {[]Designator{naa6, relative(3)}, 0x102, true},
		"the group counts":            {[]Designator{relative(3), portGroup}, 1, true},
		"unknown port":                {[]Designator{relative(4)}, 0, false},
		"of the device, not the port": {[]Designator{ofDevice}, 0, false},
		"of two bytes":                {[]Designator{short}, 0, false},
		"none":                        {nil, 0, false},
	} {
		g, found := TargetPortOf(tt.list).GroupOf(groups)
		if g.ID != tt.group || found != tt.found {
			t.Errorf("%s: group %#x, %t", name, g.ID, found)
		}
	}
}

func TestAccessRefused(t *testing.T) {
	for sense, want := range map[Sense]AccessState{
		{Key: NotReady, ASC: 4, ASCQ: 0x0a}: Transitioning,
		{Key: NotReady, ASC: 4, ASCQ: 0x0b}: Standby,
		{Key: NotReady, ASC: 4, ASCQ: 0x0c}: Unavailable,
		{Key: NotReady, ASC: 4, ASCQ: 0x12}: Offline,
	} {
		if got, ok := sense.AccessRefused(); !ok || got != want || got.Active() {
			t.Errorf("%v: %v, %t", sense, got, ok)
		}
	}
	for _, sense := range []Sense{{}, {Key: NotReady, ASC: 4, ASCQ: 1}, {Key: UnitAttention, ASC: 4, ASCQ: 0x0b},
		{Key: NotReady, ASC: 4, ASCQ: 0x0b, Deferred: true}} {
		if _, ok := sense.AccessRefused(); ok {
			t.Errorf("%v is taken for the state of a port", sense)
		}
	}
}

func TestReportTargetPortGroupsCDB(t *testing.T) {
	cdb := ReportTargetPortGroups(0x01020304)
	if want := (CDB{0xa3, 0x0a, 0, 0, 0, 0, 1, 2, 3, 4}); cdb != want || cdb.String() != "REPORT TARGET PORT GROUPS" {
		t.Errorf("% x %s", cdb[:], cdb)
	}
}
