package integration

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// unitsWith writes systemd's units into a directory as they would be installed with a
// program, and returns the paths of one of each.
func (h *host) unitsWith(program string) []string {
	h.t.Helper()
	dir := h.path("units")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		h.t.Fatal(err)
	}
	var units []string
	for name, instance := range map[string]string{"iscsifs@.service": "iscsifs@nas.service", "iscsifs-loop@.service": `iscsifs-loop@mnt-my\x2dluns-lun1.service`} {
		text, err := os.ReadFile("../cmd/iscsifs/units/" + name)
		if err != nil {
			h.t.Fatal(err)
		}
		installed := strings.ReplaceAll(string(text), "/usr/local/sbin/iscsifs", program)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(installed), 0o644); err != nil {
			h.t.Fatal(err)
		}
		units = append(units, filepath.Join(dir, instance))
	}
	return units
}

// TestUnits lets systemd look for faults in the units, and how much a service may do
// that reads what targets send.
func TestUnits(t *testing.T) {
	needTools(t, "systemd-analyze")
	h := newHost(t)
	program, err := builtProgram()
	if err != nil {
		t.Fatal(err)
	}
	for _, unit := range h.unitsWith(program) {
		if r := h.run("systemd-analyze", "verify", "--man=no", unit); r.code != 0 || r.stdout+r.stderr != "" {
			t.Errorf("%s: exit code %d\n%s%s", unit, r.code, r.stdout, r.stderr)
		}
	}
	text := h.sh(`systemd-analyze security --offline=true --no-pager "$1"`, h.path("units/iscsifs@.service"))
	level := regexp.MustCompile(`exposure level for .*: ([\d.]+)`).FindStringSubmatch(text)
	if level == nil {
		t.Fatalf("systemd-analyze security says\n%s", text)
	}
	// A service without any setting has 9.6. What would need a mount namespace, in which
	// nobody would see the mount, is left: half of the rest.
	if exposure, _ := strconv.ParseFloat(level[1], 64); exposure > 5.5 {
		t.Errorf("its exposure is %v\n%s", exposure, text)
	}
}
