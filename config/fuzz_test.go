package config

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// FuzzLoad gives any text to the reader of configurations: it must not panic,
// each fault and warning must stand on a line of the file, in order, and a
// configuration without faults must survive being shown.
func FuzzLoad(f *testing.F) {
	for _, tc := range faultCases {
		f.Add(tc.text)
	}
	for _, file := range []string{"example.toml", "testdata/contract.toml"} {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "_file") {
			return // the files of the machine are none of its business
		}
		r := &report{file: "f", dir: t.TempDir()}
		c := r.parse(text)
		var lines []int
		for _, fault := range r.sortedFaults() {
			lines = append(lines, fault.Line)
		}
		for _, w := range r.sortedWarnings() {
			checkLines(t, text, []int{w.Line})
		}
		checkLines(t, text, lines)
		if len(lines) == 0 {
			checkShown(t, c)
		}
	})
}

func checkLines(t *testing.T, text string, lines []int) {
	t.Helper()
	last := strings.Count(text, "\n") + 1
	for _, line := range lines {
		if line < 1 || line > last {
			t.Fatalf("line %d of %d", line, last)
		}
	}
	if !slices.IsSorted(lines) {
		t.Fatalf("lines %v are not in order", lines)
	}
}

// checkShown reads what a configuration is shown as. Masked secrets are all
// the same, which is no valid pair, so that it is read without them.
func checkShown(t *testing.T, c *Config) {
	t.Helper()
	for i := range c.Targets {
		c.Targets[i].CHAP = nil
	}
	r := &report{file: "shown"}
	text := shown(t, c)
	if again := r.parse(text); len(r.faults) > 0 || shown(t, again) != text {
		t.Fatalf("shown as %s\nwith %v", text, r.faults)
	}
}
