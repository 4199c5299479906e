package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/iscsifs/iscsifs/config"
)

// FuzzFoundTOML: what discovery prints for whatever names targets have is a configuration
// that loads, with directories of their own.
func FuzzFoundTOML(f *testing.F) {
	f.Add("iqn.2001-04.com.example:a", "iqn.2001-04.com.example.b:a", "[2001:db8::1]:3260")
	f.Add("iqn.2001-04.com.example:lun0", "iqn.2001-04.com.example:..", "nas:3260")
	f.Add("iqn.2001-04.com.example:by-id", "eui.02004567A425678D", "192.0.2.1:3260")
	f.Fuzz(func(t *testing.T, one, two, address string) {
		if _, err := config.ParsePortal(address); err != nil || strings.EqualFold(one, two) {
			return // discovery gives neither
		}
		var b strings.Builder
		portals := []foundPortal{{Address: address, TPGT: 1}}
		if err := writeTOML(&b, []foundTarget{{IQN: one, Portals: portals}, {IQN: two, Portals: portals}}, &chapFlags{}); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "found.toml")
		if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		if config.CheckName(one) != nil || config.CheckName(two) != nil {
			if !utf8.ValidString(b.String()) {
				t.Errorf("%q", b.String())
			}
			return
		}
		if _, _, err := config.Load(file); err != nil {
			t.Errorf("%v in\n%s", err, b.String())
		}
	})
}
