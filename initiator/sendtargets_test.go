package initiator

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/iscsifs/iscsifs/initiator/pdu"
)

func sendTargetsKeys(text string) []pdu.KeyValue {
	var keys []pdu.KeyValue
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		keys = append(keys, pdu.KeyValue{Key: key, Value: value})
	}
	return keys
}

func TestParseSendTargets(t *testing.T) {
	records, skipped, err := parseSendTargets(sendTargetsKeys(`TargetName=iqn.a
TargetAddress=10.0.0.1:3260,1
TargetAddress=[2001:db8::1]:3260,2
TargetAddress=10.0.0.1:3260,1
TargetName=iqn.b
TargetName=iqn.evil` + "\x1b[2J" + `
TargetAddress=10.0.0.9
X-unknown=1
TargetName=iqn.a
TargetAddress=nas
TargetAddress=a b
TargetName=` + strings.Repeat("n", 224)))
	if err != nil {
		t.Fatal(err)
	}
	want := []targetRecord{
		{"iqn.a", []address{{"10.0.0.1", 3260, 1}, {"2001:db8::1", 3260, 2}, {"nas", 3260, -1}}},
		{"iqn.b", nil},
	}
	if diff := cmp.Diff(want, records, cmp.AllowUnexported(targetRecord{}, address{})); diff != "" {
		t.Error(diff)
	}
	if len(skipped) != 3 || strings.Contains(skipped[0].Error(), "\x1b") {
		t.Errorf("skipped %v", skipped)
	}
	if _, _, err := parseSendTargets(sendTargetsKeys("TargetAddress=nas")); !errors.Is(err, ErrProtocol) {
		t.Errorf("address before the name: got %v", err)
	}
	if records, _, err := parseSendTargets(nil); err != nil || len(records) > 0 {
		t.Errorf("no keys: got %v, %v", records, err)
	}
}

func FuzzSendTargets(f *testing.F) {
	f.Add([]byte("TargetName=iqn.a\x00TargetAddress=10.0.0.1:3260,1\x00TargetAddress=[::1]\x00TargetName=iqn.b\x00"))
	f.Add([]byte("TargetAddress=10.0.0.1\x00"))
	f.Add([]byte("TargetName=\x1b\x00TargetAddress=x\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		keys, err := pdu.ParseKeys(b)
		if err != nil {
			return
		}
		records, _, _ := parseSendTargets(keys)
		for _, r := range records {
			if err := checkISCSIName(r.name); err != nil {
				t.Fatalf("%q: %v", r.name, err)
			}
			for _, a := range r.addresses {
				if _, err := parseAddress(a.String()); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}
