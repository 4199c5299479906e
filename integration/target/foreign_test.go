package target

import (
	"bytes"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// run runs a tool of others against the target and returns its output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (Debian: libiscsi-bin, qemu-utils)", name)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func lunURL(target *Target, lun, credentials string) string {
	u := url.URL{Scheme: "iscsi", Host: target.Addr(), Path: "/" + testIQN + "/" + lun}
	if credentials != "" {
		return strings.Replace(u.String(), "iscsi://", "iscsi://"+credentials+"@", 1)
	}
	return u.String()
}

// onlyKnown fails the test for rules broken by libiscsi, except that it
// acknowledges the StatSN of an R2T, which consumes none.
func onlyKnown(t *testing.T, target *Target) {
	t.Helper()
	for _, v := range target.Violations() {
		if v.Name != "expstatsn-ahead" {
			t.Error(v)
		}
	}
}

func TestLibiscsiLists(t *testing.T) {
	target := start(t, Config{LUNs: []*LUN{NewMemoryLUN(64<<20, 512), NewMemoryLUN(128<<20, 4096, Number(300))},
		Others: []Node{{IQN: "iqn.2026-11.org.example:other"}}, Strict: true})
	out := run(t, "iscsi-ls", "-s", "iscsi://"+target.Addr())
	for _, want := range []string{testIQN + " Portal:" + target.Addr() + ",1", "Lun:0 ", "Lun:16684 " /* flat space: 0x4000 + 300 */, "iqn.2026-11.org.example:other"} {
		if !strings.Contains(out, want) {
			t.Errorf("iscsi-ls does not show %q:\n%s", want, out)
		}
	}
	onlyKnown(t, target)
}

func TestLibiscsiInquiry(t *testing.T) {
	target := start(t, Config{LUNs: []*LUN{NewMemoryLUN(64<<20, 4096, Thin(), Identity("ACME", "ANVIL", "S-17"))}, Strict: true})
	for page, want := range map[string]string{"128": "S-17", "131": "ACME", "176": "unmap", "178": "lbpws10:1"} {
		out := run(t, "iscsi-inq", "-e", "1", "-c", page, lunURL(target, "0", ""))
		if !strings.Contains(strings.ToLower(out), strings.ToLower(want)) {
			t.Errorf("page %s does not show %q:\n%s", page, want, out)
		}
	}
	if out := run(t, "iscsi-inq", lunURL(target, "0", "")); !strings.Contains(out, "Product:ANVIL") {
		t.Error(out)
	}
	out := run(t, "iscsi-readcapacity16", lunURL(target, "0", ""))
	for _, want := range []string{"LENGTH IN BYTES:4096", "Total size:67108864", "LBPME:1 LBPRZ:1"} {
		if !strings.Contains(out, want) {
			t.Errorf("iscsi-readcapacity16 does not show %q:\n%s", want, out)
		}
	}
	onlyKnown(t, target)
}

func TestLibiscsiAuthenticates(t *testing.T) {
	chap := &CHAP{User: "alice", Secret: "secret of alice", MutualUser: "bob", MutualSecret: "secret of bob"}
	target := start(t, Config{CHAP: chap, Strict: true})
	good := lunURL(target, "0", "alice%secret%20of%20alice")
	good = strings.Replace(good, "%20", " ", -1)
	run(t, "iscsi-inq", good+"?target_user=bob&target_password=secret of bob")
	run(t, "iscsi-inq", good+"?header_digest=crc32c")
	for _, bad := range []string{lunURL(target, "0", ""), lunURL(target, "0", "alice%wrong"), good + "?target_user=bob&target_password=wrong"} {
		if out, err := exec.CommandContext(t.Context(), "iscsi-inq", bad).CombinedOutput(); err == nil {
			t.Errorf("%s logged in: %s", bad, out)
		}
	}
}

func TestQemuCopies(t *testing.T) {
	image := filepath.Join(t.TempDir(), "image")
	content := make([]byte, 16<<20)
	random := rand.NewChaCha8([32]byte{1})
	random.Read(content[:5<<20]) // the rest is a hole
	random.Read(content[11<<20 : 12<<20])
	if err := os.WriteFile(image, content, 0o600); err != nil {
		t.Fatal(err)
	}
	backing := filepath.Join(t.TempDir(), "backing")
	onFile, err := NewFileLUN(backing, 16<<20, 4096)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { onFile.Close() })
	luns := []*LUN{NewMemoryLUN(16<<20, 512), NewMemoryLUN(16<<20, 4096, Thin(), WriteCache()), onFile}
	params := DefaultParams()
	params.InitialR2T, params.MaxBurstLength, params.MaxRecvDataSegmentLength = true, 64<<10, 16<<10
	for name, cfg := range map[string]Config{"default": {LUNs: luns}, "R2T": {LUNs: luns, Params: &params, SeparateStatus: true}} {
		target := start(t, cfg)
		for i, l := range luns {
			lun := string(rune('0' + i))
			run(t, "qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, lunURL(target, lun, ""))
			run(t, "qemu-img", "compare", "-f", "raw", "-F", "raw", image, lunURL(target, lun, ""))
			got := make([]byte, len(content))
			l.ReadAt(got, 0)
			if !bytes.Equal(got, content) {
				t.Errorf("%s: LUN %d differs from the image", name, i)
			}
			l.WriteAt(make([]byte, 8<<20), 0)
		}
		onlyKnown(t, target)
	}
}

// TestLibiscsiSuites runs libiscsi's own tests of targets, but for
// ALL.WriteSame10: its UnmapUntilEnd wants zeroes where it wrote 0xFF with UNMAP.
func TestLibiscsiSuites(t *testing.T) {
	target := start(t, Config{LUNs: []*LUN{NewMemoryLUN(64<<20, 512, Thin(), WriteCache())}})
	for _, suite := range []string{"ALL.GetLBAStatus", "ALL.Inquiry", "ALL.Mandatory", "ALL.ModeSense6",
		"ALL.PrinReadKeys", "ALL.PrinServiceactionRange", "ALL.PrinReportCapabilities", "ALL.ProutRegister", "ALL.ProutReserve", "ALL.ProutClear",
		"ALL.ProutPreempt", "ALL.Read6", "ALL.Read10",
		"ALL.Read12", "ALL.Read16", "ALL.ReadCapacity10", "ALL.ReadCapacity16", "ALL.ReadOnly", "ALL.TestUnitReady", "ALL.Unmap",
		"ALL.Write16", "ALL.WriteSame16", "iSCSI.iSCSIResiduals", "iSCSI.iSCSITMF"} {
		t.Run(suite, func(t *testing.T) {
			out := run(t, "iscsi-test-cu", "--dataloss", "-t", suite, lunURL(target, "0", ""))
			if strings.Contains(out, "FAILED") || !strings.Contains(out, "passed") {
				t.Error(out)
			}
		})
	}
}

// TestLibiscsiBreaksDataSN lets libiscsi break a rule on purpose.
func TestLibiscsiBreaksDataSN(t *testing.T) {
	target := start(t, Config{Strict: true})
	path, err := exec.LookPath("iscsi-test-cu")
	if err != nil {
		t.Skip("iscsi-test-cu is not installed (Debian: libiscsi-bin)")
	}
	// Its own verdict does not count: after the first lost connection it sends
	// immediate data, in which there is no DataSN to break.
	exec.CommandContext(t.Context(), path, "--dataloss", "-t", "iSCSI.iSCSIdatasn", lunURL(target, "0", "")).Run()
	if !broken(target, "data-sn") {
		t.Error("nothing noted")
	}
}
