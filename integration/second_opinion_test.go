package integration

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// discovered is one target of `iscsifs discover --luns --json`.
type discovered struct {
	IQN     string
	Portals []struct {
		Address string
		TPGT    int
	}
	LUNs []lunJSON
}

func (h *host) discover(portal string) []discovered {
	h.t.Helper()
	out := h.mustIscsifs("discover", "--luns", "--json", portal)
	var found struct{ Targets []discovered }
	if err := json.Unmarshal([]byte(out), &found); err != nil {
		h.t.Fatalf("discover --json: %v\n%s", err, out)
	}
	return found.Targets
}

// TestSecondOpinion compares what we see of a target with what libiscsi sees.
func TestSecondOpinion(t *testing.T) {
	needTools(t, "iscsi-ls", "iscsi-inq", "iscsi-readcapacity16")
	h := newHost(t)
	s := h.serve(nil,
		disk{size: 48 * mib, params: map[string]string{"vendor_id": "ACME", "product_id": "Platter"}},
		disk{size: 80 * mib, blockSize: 4096})
	targets := h.discover(s.portal)
	if len(targets) != 1 || targets[0].IQN != s.IQN || len(targets[0].Portals) != 1 || len(targets[0].LUNs) != 2 {
		t.Fatalf("discovered %+v", targets)
	}
	at := targets[0].Portals[0]
	seen := h.sh(`iscsi-ls -s "iscsi://$1"`, s.portal)
	if want := fmt.Sprintf("Target:%s Portal:%s,%d", s.IQN, at.Address, at.TPGT); !strings.Contains(seen, want) {
		t.Errorf("iscsi-ls says\n%s, we %s", seen, want)
	}
	for _, l := range targets[0].LUNs {
		compareLUN(t, h, fmt.Sprintf("iscsi://%s/%s/%d", s.portal, s.IQN, l.LUN), l)
	}
}

func compareLUN(t *testing.T, h *host, url string, l lunJSON) {
	t.Helper()
	inquiry := h.sh(`iscsi-inq "$1"`, url)
	capacity := h.sh(`iscsi-readcapacity16 "$1"`, url)
	for field, ours := range map[string]string{"Vendor": l.Vendor, "Product": l.Product} {
		if theirs := fieldOf(inquiry, field); theirs != ours {
			t.Errorf("LUN %d: %s is %q, iscsi-inq says %q", l.LUN, field, ours, theirs)
		}
	}
	for field, ours := range map[string]string{"Total size": itoa(l.Size), "LOGICAL BLOCK LENGTH IN BYTES": itoa(int64(l.BlockSize))} {
		if theirs := fieldOf(capacity, field); theirs != ours {
			t.Errorf("LUN %d: %s is %s, iscsi-readcapacity16 says %s", l.LUN, field, ours, theirs)
		}
	}
}

// fieldOf is the value of a "name:value" line.
func fieldOf(output, name string) string {
	m := regexp.MustCompile(`(?m)^` + name + `:(.*)$`).FindStringSubmatch(output)
	if m == nil {
		return ""
	}
	return strings.TrimSpace(m[1])
}
