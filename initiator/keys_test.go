package initiator

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/iscsifs/iscsifs/initiator/pdu"
)

func TestKeyDefaults(t *testing.T) {
	p := Params{MaxRecvDataSegmentLength: 8192, TargetPortalGroupTag: -1, HeaderDigest: true, DataDigest: true, InitialR2T: true}
	for _, k := range loginKeys {
		if k.set != nil && k.def != "" {
			k.set(&p, k.def)
		}
	}
	if diff := cmp.Diff(DefaultParams(), p); diff != "" {
		t.Error("the table and DefaultParams differ: ", diff)
	}
}

func TestKeyTableIsWhole(t *testing.T) {
	// RFC 7143, Section 13, and the keys of RFC 3720 that it makes obsolete.
	want := strings.Fields(`HeaderDigest DataDigest MaxConnections SendTargets TargetName InitiatorName
		TargetAlias InitiatorAlias TargetAddress TargetPortalGroupTag InitialR2T ImmediateData
		MaxRecvDataSegmentLength MaxBurstLength FirstBurstLength DefaultTime2Wait DefaultTime2Retain
		MaxOutstandingR2T DataPDUInOrder DataSequenceInOrder ErrorRecoveryLevel SessionType
		iSCSIProtocolLevel TaskReporting IFMarker OFMarker IFMarkInt OFMarkInt`)
	for _, name := range want {
		if keysByName[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	if len(loginKeys) != len(want) {
		t.Errorf("%d keys, want %d", len(loginKeys), len(want))
	}
}

// offeredKeys returns a negotiation in which everything is offered.
func offeredKeys(cfg *Config) *negotiation {
	n := newNegotiation(cfg)
	n.names()
	n.offers()
	return n
}

func receive(n *negotiation, text string) error {
	for _, kv := range strings.Fields(text) {
		key, value, _ := strings.Cut(kv, "=")
		if err := n.receive(pdu.KeyValue{Key: key, Value: value}); err != nil {
			return err
		}
	}
	return nil
}

func TestAnswers(t *testing.T) {
	for _, tt := range []struct {
		answer string
		change func(*Params) // to what holds without the answer; nil: an error
	}{
		{"MaxBurstLength=512", func(p *Params) { p.MaxBurstLength, p.FirstBurstLength = 512, 512 }},
		{"MaxBurstLength=16776192", func(p *Params) { p.MaxBurstLength = 16776192 }},
		{"MaxBurstLength=0x10000", func(p *Params) { p.MaxBurstLength = 65536 }},
		{"MaxBurstLength=16776193", nil}, // more than offered
		{"MaxBurstLength=511", nil},
		{"MaxBurstLength=65536 FirstBurstLength=65540", nil},
		{"MaxBurstLength=32768 FirstBurstLength=65536", nil},
		{"MaxBurstLength=Reject", func(*Params) {}},
		{"FirstBurstLength=Irrelevant", func(*Params) {}},
		{"FirstBurstLength=262145", nil},
		{"MaxOutstandingR2T=NotUnderstood", func(*Params) {}},
		{"MaxOutstandingR2T=4", func(p *Params) { p.MaxOutstandingR2T = 4 }},
		{"MaxOutstandingR2T=0", nil},
		{"MaxOutstandingR2T=9", nil},
		{"MaxConnections=2", nil},
		{"MaxConnections=1", func(*Params) {}},
		{"InitialR2T=No", func(p *Params) { p.InitialR2T = false }},
		{"InitialR2T=Yes", func(*Params) {}},
		{"InitialR2T=yes", nil},
		{"ImmediateData=No", func(p *Params) { p.ImmediateData = false }},
		{"DataPDUInOrder=No", nil},
		{"DataPDUInOrder=Yes", func(*Params) {}},
		{"DataSequenceInOrder=No", func(p *Params) { p.DataSequenceInOrder = false }},
		{"DefaultTime2Wait=3", func(p *Params) { p.DefaultTime2Wait = 3 }},
		{"DefaultTime2Wait=1", nil},
		{"DefaultTime2Wait=3601", nil},
		{"DefaultTime2Retain=0", func(p *Params) { p.DefaultTime2Retain = 0 }},
		{"DefaultTime2Retain=5", nil},
		{"ErrorRecoveryLevel=1", nil},
		{"ErrorRecoveryLevel=0", func(*Params) {}},
		{"HeaderDigest=None", func(*Params) {}},
		{"HeaderDigest=CRC32C", nil}, // not offered
		{"MaxRecvDataSegmentLength=512", func(p *Params) { p.MaxXmitDataSegmentLength = 512 }},
		{"MaxRecvDataSegmentLength=511", nil},
		{"MaxRecvDataSegmentLength=16777216", nil},
		{"MaxRecvDataSegmentLength=-1", nil},
		{"MaxRecvDataSegmentLength=+512", nil},
		{"MaxRecvDataSegmentLength=99999999999999999999", nil},
		{"MaxRecvDataSegmentLength=", nil},
		{"MaxRecvDataSegmentLength=0x", nil},
		{"TargetPortalGroupTag=65535", func(p *Params) { p.TargetPortalGroupTag = 65535 }},
		{"TargetPortalGroupTag=65536", nil},
		{"TargetAlias=a\x1b[2Jb\xff", func(p *Params) { p.TargetAlias = "a[2Jb" }},
		{"IFMarker=Yes", func(*Params) {}},
	} {
		n := offeredKeys(testConfig())
		err := receive(n, tt.answer)
		var got Params
		if err == nil {
			got, err = n.finish()
		}
		if tt.change == nil {
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("%s: got %v, want an ErrProtocol", tt.answer, err)
			}
			continue
		}
		want := DefaultParams()
		want.MaxRecvDataSegmentLength = 262144
		tt.change(&want)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", tt.answer, err, diff)
		}
	}
}

// TestTargetsOffers covers the keys that a target begins to negotiate.
func TestTargetsOffers(t *testing.T) {
	for _, tt := range []struct {
		offer, want string
		discovery   bool
	}{
		{"MaxBurstLength=65536", "MaxBurstLength=65536", false},
		{"MaxBurstLength=16777215", "MaxBurstLength=16776192", false},
		{"MaxBurstLength=65536", "MaxBurstLength=Irrelevant", true},
		{"DefaultTime2Wait=0", "DefaultTime2Wait=2", false},
		{"DefaultTime2Wait=9", "DefaultTime2Wait=9", true},
		{"InitialR2T=Yes", "InitialR2T=Yes", false},
		{"InitialR2T=No", "InitialR2T=No", false},
		{"ImmediateData=No", "ImmediateData=No", false},
		{"HeaderDigest=CRC32C,None", "HeaderDigest=None", false},
		{"HeaderDigest=CRC32C", "HeaderDigest=Reject", false},
		{"ErrorRecoveryLevel=2", "ErrorRecoveryLevel=0", false},
		{"iSCSIProtocolLevel=2", "iSCSIProtocolLevel=1", false},
		{"TaskReporting=FastAbort", "TaskReporting=Reject", false},
		{"OFMarker=Yes", "OFMarker=Reject", false},
		{"X-com.example.key=1", "X-com.example.key=NotUnderstood", false},
		{"Nonsense=1", "Nonsense=NotUnderstood", true},
		{"MaxRecvDataSegmentLength=4096", "", false},
	} {
		cfg := testConfig()
		if tt.discovery {
			cfg.TargetName = ""
		}
		n := newNegotiation(cfg)
		if err := receive(n, tt.offer); err != nil {
			t.Errorf("%s: %v", tt.offer, err)
			continue
		}
		var got string
		for _, kv := range n.takeAnswers() {
			got += kv.Key + "=" + kv.Value
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.offer, got, tt.want)
		}
		key, _, _ := strings.Cut(tt.offer, "=")
		for _, kv := range n.offers() {
			if kv.Key == key && keysByName[key].use == negotiated {
				t.Errorf("%s is offered after it was negotiated", key)
			}
		}
	}
}

func TestDigestPolicy(t *testing.T) {
	for _, tt := range []struct {
		policy DigestPolicy
		answer string
		want   bool
		err    error
	}{
		{DigestCRC32C, "HeaderDigest=CRC32C DataDigest=CRC32C", true, nil},
		{DigestCRC32C, "HeaderDigest=CRC32C DataDigest=Reject", false, errDigest},
		{DigestCRC32C, "HeaderDigest=None DataDigest=CRC32C", false, errDigest},
		{DigestCRC32C, "", false, errDigest},
		{DigestPrefer, "HeaderDigest=CRC32C DataDigest=CRC32C", true, nil},
		{DigestPrefer, "HeaderDigest=None DataDigest=None", false, nil},
		{DigestPrefer, "HeaderDigest=NotUnderstood", false, nil},
		{DigestPrefer, "HeaderDigest=CRC64", false, ErrProtocol},
	} {
		cfg := testConfig()
		cfg.HeaderDigest, cfg.DataDigest = tt.policy, tt.policy
		n := offeredKeys(cfg)
		err := receive(n, tt.answer)
		var p Params
		if err == nil {
			p, err = n.finish()
		}
		if !errors.Is(err, tt.err) || p.HeaderDigest != tt.want || p.DataDigest != tt.want {
			t.Errorf("policy %d, %q: got %+v, %v", tt.policy, tt.answer, p, err)
		}
	}
}
