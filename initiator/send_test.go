package initiator

import "testing"

// TestFirstBurst: what goes unasked with and after a write, for each kind of
// agreement (RFC 7143, Sections 13.10, 13.11 and 13.14).
func TestFirstBurst(t *testing.T) {
	for _, c := range []struct {
		name                           string
		immediateData, initialR2T      bool
		xmit, first, n                 int
		wantImmediate, wantUnsolicited int
	}{
		{"neither", false, true, 8192, 65536, 100000, 0, 0},
		{"immediate only", true, true, 8192, 65536, 100000, 8192, 0},
		{"immediate, short", true, true, 8192, 65536, 4096, 4096, 0},
		{"immediate above FirstBurstLength", true, true, 262144, 65536, 100000, 65536, 0},
		{"unsolicited only", false, false, 8192, 65536, 100000, 0, 65536},
		{"unsolicited, short", false, false, 8192, 65536, 4096, 0, 4096},
		{"both", true, false, 8192, 65536, 100000, 8192, 57344},
		{"both, all of it", true, false, 8192, 65536, 20000, 8192, 11808},
		{"both, immediate is enough", true, false, 8192, 65536, 8192, 8192, 0},
		{"nothing to write", true, false, 8192, 65536, 0, 0, 0},
	} {
		p := Params{ImmediateData: c.immediateData, InitialR2T: c.initialR2T,
			MaxXmitDataSegmentLength: c.xmit, FirstBurstLength: c.first}
		immediate, unsolicited := firstBurst(&p, c.n)
		if immediate != c.wantImmediate || unsolicited != c.wantUnsolicited {
			t.Errorf("%s: %d and %d bytes, want %d and %d", c.name, immediate, unsolicited, c.wantImmediate, c.wantUnsolicited)
		}
	}
}
