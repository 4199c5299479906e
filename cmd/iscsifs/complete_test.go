package main

import (
	"slices"
	"strings"
	"testing"
)

// Whatever a usage line asks for can be completed.
func TestEveryArgumentCompletes(t *testing.T) {
	p := &program{}
	known := p.completions()
	for _, c := range p.rootCommand().Commands() {
		if slices.Contains([]string{"help", "completion", "manual"}, c.Name()) {
			continue // cobra's, and one with a list
		}
		for _, word := range usageWords(c) {
			if known[word] == nil {
				t.Errorf("%s: there is no completion for %s", c.Use, word)
			}
		}
	}
}

func TestComplete(t *testing.T) {
	for _, c := range []struct {
		args []string
		want []string // lines of the answer to the shell
	}{
		{[]string{"ch"}, []string{"check\tValidate a configuration", ":4"}},
		{[]string{"mount", ""}, []string{"toml", ":8"}},
		{[]string{"mount", "nas.toml", ""}, []string{":16"}},
		{[]string{"mount", "nas.toml", "/mnt", ""}, []string{":4"}},
		{[]string{"mount", "-o", "ro,w"}, []string{"ro,wait=", ":6"}},
		{[]string{"login", t.TempDir(), "a"}, []string{"all", ":4"}},
		{[]string{"discover", "--toml", ""}, []string{":4"}},
		{[]string{"completion", "z"}, []string{"zsh\tGenerate the autocompletion script for zsh", ":4"}},
		{[]string{"help", "resc"}, []string{"rescan\tLook for new, removed and resized LUNs", ":4"}},
	} {
		got := run(t, append([]string{"iscsifs", "__complete"}, c.args...)...)
		lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
		if !slices.Equal(lines, c.want) {
			t.Errorf("%q completes to %q, want %q", c.args, lines, c.want)
		}
	}
}
