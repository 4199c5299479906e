package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/daemon"
)

// Every command, with each of its flags, and every signal is in iscsifs(8).
func TestManualIsComplete(t *testing.T) {
	got := run(t, "iscsifs", "manual", "iscsifs.8")
	if got.code != 0 {
		t.Fatal(got.stderr)
	}
	for _, c := range (&program{}).rootCommand().Commands() {
		if c.Hidden {
			continue
		}
		_, section, found := strings.Cut(got.stdout, "\n### "+c.Name())
		section, _, _ = strings.Cut(section, "\n#")
		if !found || !strings.Contains(section, strings.TrimSpace(c.Example)) {
			t.Errorf("the manual lacks %s, or its example", c.Name())
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(section, "**--"+f.Name+"**") {
				t.Errorf("the manual lacks --%s of %s", f.Name, c.Name())
			}
		})
	}
	for _, s := range daemon.HandledSignals {
		if name := unix.SignalName(s.(unix.Signal)); !strings.Contains(got.stdout, "**"+name+"**") {
			t.Errorf("the manual lacks %s", name)
		}
	}
}
