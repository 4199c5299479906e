package integration

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMaps: the package documentation of the large packages is a map of their files: it
// names each of them, and none that is not there. Nor does ARCHITECTURE.md.
func TestMaps(t *testing.T) {
	for _, dir := range []string{"cache", "fusefs", "initiator", "cmd/internal/daemon"} {
		named, have := filesNamed(t, filepath.Join("..", dir, "doc.go")), sources(t, filepath.Join("..", dir))
		for file := range have {
			if !named[file] {
				t.Errorf("%s/doc.go does not say what %s is for", dir, file)
			}
		}
		for file := range named {
			if !have[file] {
				t.Errorf("%s/doc.go names %s, which is not there", dir, file)
			}
		}
	}
	everywhere := map[string]bool{}
	for _, dir := range []string{"cache", "config", "fusefs", "initiator", "cmd/internal/daemon"} {
		maps.Copy(everywhere, sources(t, filepath.Join("..", dir)))
	}
	everywhere["doc.go"] = true
	for file := range filesNamed(t, "../ARCHITECTURE.md") {
		if !everywhere[file] {
			t.Errorf("ARCHITECTURE.md names %s, which is not there", file)
		}
	}
}

// filesNamed are the Go files that a text names, without their folders.
func filesNamed(t *testing.T, path string) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`\b[a-z_]+\.go\b`).FindAllString(string(text), -1)
	if len(list) == 0 {
		t.Fatalf("%s names no file", path)
	}
	return setOf(list)
}

// sources are the Go files of a folder, but for its documentation and tests.
func sources(t *testing.T, dir string) map[string]bool {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(list) == 0 {
		t.Fatalf("%s: %q, %v", dir, list, err)
	}
	for i := range list {
		list[i] = filepath.Base(list[i])
	}
	return setOf(slices.DeleteFunc(list, func(name string) bool { return name == "doc.go" || strings.HasSuffix(name, "_test.go") }))
}

func setOf(list []string) map[string]bool {
	set := map[string]bool{}
	for _, s := range list {
		set[s] = true
	}
	return set
}
