package integration

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mustRunVar is the environment variable with the comma-separated names of
// top-level tests that may not skip; "all" names every one.
const mustRunVar = "ISCSIFS_MUST_RUN"

func mustRun() []string {
	return strings.FieldsFunc(os.Getenv(mustRunVar), func(r rune) bool { return r == ',' || r == ' ' })
}

// skip ends a test that cannot run here, as a failure if it must run.
func skip(t *testing.T, reason string) {
	t.Helper()
	top, _, _ := strings.Cut(t.Name(), "/")
	if list := mustRun(); slices.Contains(list, top) || slices.Contains(list, "all") {
		t.Fatalf("must run (%s), but %s", mustRunVar, reason)
	}
	t.Skip(reason)
}

// needRoot skips where the test lacks root's rights.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "needs root")
	}
}

// needTools skips where a program is not installed.
func needTools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			skip(t, "needs "+name+" (integration/install-deps installs it)")
		}
	}
}

// needDevice skips where the kernel lacks a device node.
func needDevice(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		skip(t, "needs "+path)
	}
}

// TestMustRunNamesExist keeps CI's list honest: a test that was renamed would
// otherwise be free to skip.
func TestMustRunNamesExist(t *testing.T) {
	have := testNames(t, ".")
	for _, name := range mustRun() {
		if name != "all" && !slices.Contains(have, name) {
			t.Errorf("%s names %s, which is no test of this package", mustRunVar, name)
		}
	}
}

// TestDocNamesExist: so do the tests that the package's documentation names.
func TestDocNamesExist(t *testing.T) {
	have := testNames(t, ".")
	for _, name := range testNames(t, "../initiator") {
		have = append(have, "initiator."+name)
	}
	f, err := parser.ParseFile(token.NewFileSet(), "doc.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\b(initiator\.)?Test[A-Z]\w+`).FindAllString(f.Doc.Text(), -1)
	if len(named) < 20 {
		t.Fatalf("only %d tests are named", len(named))
	}
	for _, name := range named {
		if !slices.Contains(have, name) {
			t.Errorf("there is no test %s", name)
		}
	}
}

func testNames(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(dir, e.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}
