package status

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// keys are the names of a value's JSON object, in order.
func keys(t *testing.T, value any) []string {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	var names []string
	_, _ = d.Token() // {
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		var skipped json.RawMessage
		if err := d.Decode(&skipped); err != nil {
			t.Fatal(err)
		}
	}
	return names
}

// TestPromisedNames holds the types to what scripts rely on.
func TestPromisedNames(t *testing.T) {
	for _, tt := range []struct {
		value    any
		promised string
	}{
		{Report{}, "version mounts"},
		{Mount{}, "mountpoint config pid state log targets"},
		{Target{}, "iqn directory state since reason reconnects next_attempt portals negotiated stats luns"},
		{Portal{}, "address tpgt state alua reason"},
		{LUN{}, "lun path size block_size vendor product revision serial id read_only thin dirty_bytes held_bytes " +
			"in_flight cache_hits cache_misses read_bytes written_bytes holders"},
		{Stats{}, "txdata_octets rxdata_octets noptx_pdus scsicmd_pdus tmfcmd_pdus login_pdus text_pdus dataout_pdus logout_pdus " +
			"snack_pdus noprx_pdus scsirsp_pdus tmfrsp_pdus textrsp_pdus datain_pdus logoutrsp_pdus r2t_pdus async_pdus rjt_pdus " +
			"digest_err timeout_err"},
	} {
		got := keys(t, tt.value)
		for _, name := range strings.Fields(tt.promised) {
			if !slices.Contains(got, name) {
				t.Errorf("%T has no %q, but %q", tt.value, name, got)
			}
		}
	}
}

// TestNoNullLists: also an empty report can be gone through.
func TestNoNullLists(t *testing.T) {
	raw, err := json.Marshal(Report{Mounts: []Mount{{Targets: []Target{{LUNs: []LUN{{}}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if nulls := strings.Count(string(raw), "null"); nulls != 4 { // next_attempt, chap, timeouts.replacement, last_contact
		t.Errorf("%d nulls in %s", nulls, raw)
	}
}

func TestRoundTrip(t *testing.T) {
	next := time.Date(2026, 11, 1, 2, 3, 4, 0, time.UTC)
	want := Mount{Mountpoint: "/m", PID: 7, Warnings: []string{"w"}, Targets: []Target{{
		IQN: "iqn.x", Since: next, NextAttempt: &next, Portals: []Portal{{TPGT: -1}}, Sessions: []Session{{ISID: "80c0ffee0001", TSIH: 7, Since: next, LastContact: next, Negotiated: map[string]string{}}}, Negotiated: map[string]string{"HeaderDigest": "None"},
		Stats: Stats{RejectPDUs: 1}, LUNs: []LUN{{LUN: 1, Size: 1 << 40, Warnings: []string{}, Holders: []Holder{{Kind: "process", PID: 1}}}},
	}}}
	raw, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got Mount
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(string(raw), `"since":"2026-11-01T02:03:04Z"`) {
		t.Errorf("no RFC 3339 in %s", raw)
	}
}
