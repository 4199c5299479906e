package integration

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/iscsifs/iscsifs/"

// layers says what each package of the house may import of the others: cmd
// ties together config, fusefs, cache and initiator, which know nothing of each
// other; pdu and scsi lie below initiator.
var layers = map[string][]string{
	"config":         {},
	"fusefs":         {},
	"cache":          {},
	"initiator":      {"initiator/pdu", "initiator/scsi"},
	"initiator/pdu":  {},
	"initiator/scsi": {},
}

// TestLayers holds the imports to one direction. Tests of a layer may run
// against the target in integration.
func TestLayers(t *testing.T) {
	for pkg, allowed := range layers {
		for _, imported := range importsOf(t, pkg, ".Imports") {
			checkImport(t, pkg, imported, allowed)
		}
		for _, imported := range importsOf(t, pkg, ".TestImports", ".XTestImports") {
			if !strings.HasPrefix(imported, module+"integration/") {
				checkImport(t, pkg, imported, allowed)
			}
		}
	}
}

func checkImport(t *testing.T, pkg, imported string, allowed []string) {
	t.Helper()
	inner, ours := strings.CutPrefix(imported, module)
	if ours && inner != pkg && !within(inner, pkg) && !slices.Contains(allowed, inner) {
		t.Errorf("%s imports %s: it may import %q only", pkg, inner, allowed)
	}
}

// TestTargetStaysOut: the target for tests is not in the program.
func TestTargetStaysOut(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "../cmd/iscsifs").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), module+"integration") {
		t.Errorf("cmd/iscsifs depends on %sintegration", module)
	}
}

// importsOf lists what the given fields of `go list` say that a package imports.
func importsOf(t *testing.T, pkg string, fields ...string) []string {
	t.Helper()
	var format strings.Builder
	for _, field := range fields {
		format.WriteString("{{range " + field + "}}{{.}} {{end}}")
	}
	out, err := exec.Command("go", "list", "-f", format.String(), "../"+pkg).Output()
	if err != nil {
		t.Fatalf("go list %s: %v", pkg, err)
	}
	return strings.Fields(string(out))
}

// within tells whether a package is a private part of another.
func within(inner, pkg string) bool {
	_, layer := layers[inner]
	return !layer && strings.HasPrefix(inner, pkg+"/")
}
