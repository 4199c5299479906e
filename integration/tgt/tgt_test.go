package tgt_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/integration/tgt"
)

const iqn = "iqn.2026-11.org.example:tgt"

func start(t *testing.T) *tgt.Daemon {
	t.Helper()
	for _, tool := range []string{"tgtd", "tgtadm", "iscsi-ls"} {
		if _, err := exec.LookPath(tool); err != nil || os.Geteuid() != 0 {
			t.Skip("needs root and " + tool)
		}
	}
	d, err := tgt.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// TestRestartBringsEverythingBack: a restarted tgtd serves what was configured,
// on the same portal.
func TestRestartBringsEverythingBack(t *testing.T) {
	d := start(t)
	target, err := d.AddTarget(iqn, map[string]string{"InitialR2T": "No", "MaxOutstandingR2T": "4"})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, make([]byte, 64<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if lun, err := target.AddLUN(tgt.LUN{Path: path, BlockSize: 4096, Params: map[string]string{"vendor_id": "ACME"}}); lun != 1 || err != nil {
		t.Fatal(lun, err)
	}
	before := list(t, d)
	if !strings.Contains(before, iqn) || !strings.Contains(before, "Size:63M") {
		t.Fatalf("iscsi-ls sees:\n%s", before)
	}
	d.Kill()
	if err := d.Restart(); err != nil {
		t.Fatal(err)
	}
	if after := list(t, d); after != before {
		t.Errorf("after the restart iscsi-ls sees:\n%s\nwant:\n%s", after, before)
	}
	if s, err := target.Sessions(); err != nil || len(s) != 0 {
		t.Errorf("sessions %v, %v", s, err)
	}
}

// TestTwoDaemonsDoNotShareAPortal: tests run side by side, each with its own tgtd.
func TestTwoDaemonsDoNotShareAPortal(t *testing.T) {
	a, b := start(t), start(t)
	if a.Portal() == b.Portal() {
		t.Errorf("both listen on %s", a.Portal())
	}
}

func list(t *testing.T, d *tgt.Daemon) string {
	t.Helper()
	out, err := exec.Command("iscsi-ls", "-s", "iscsi://"+d.Portal()).CombinedOutput()
	if err != nil {
		t.Fatalf("iscsi-ls: %v\n%s", err, out)
	}
	return string(out)
}
