package daemon

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

func TestPathName(t *testing.T) {
	info := initiator.DiskInfo{LUN: scsi.PeripheralLUN(3)}
	for portal, want := range map[string]string{
		"192.0.2.7:3260":         "ip-192.0.2.7:3260-iscsi-iqn.2001-04.com.example:a-lun-3",
		"[2001:db8::7]:3261":     "ip-2001:db8::7:3261-iscsi-iqn.2001-04.com.example:a-lun-3",
		"nas.example.org:3260":   "ip-nas.example.org:3260-iscsi-iqn.2001-04.com.example:a-lun-3",
		"no address at all here": "",
	} {
		if got := pathName(portal, "iqn.2001-04.com.example:a", info); got != want {
			t.Errorf("%s: %q, want %q", portal, got, want)
		}
	}
}

// What a target says cannot leave the directory of links, nor the terminal's line.
func TestCleanName(t *testing.T) {
	for text, want := range map[string]string{
		"scsi-3600140":       "scsi-3600140",
		"../../etc/passwd":   ".._.._etc_passwd",
		"a\x1b[31mred\nline": "a_[31mred_line",
		"bad\xffutf8\u0085x": "bad_utf8_x",
		"a\u202eb\u200bc":    "a_b_c",
	} {
		if got := cleanName(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	long := cleanName("scsi-" + strings.Repeat("ä", 300))
	if len(long) > maxName || !strings.HasPrefix(long, "scsi-ä") || strings.ContainsRune(long, '\ufffd') {
		t.Errorf("a long name becomes %d bytes: %q", len(long), long)
	}
}

// FuzzNames: whatever a target says, a name is one element of a path, and prints.
func FuzzNames(f *testing.F) {
	f.Add("1ACME    x/../\x1b", "nas.example.org:3260", "iqn.2001-04.com.example:a")
	f.Add("\u202e\xff", "[fe80::1%25../eth0]:3260", "..")
	f.Fuzz(func(t *testing.T, id, portal, iqn string) {
		for _, name := range []string{idName(initiator.DiskInfo{UdevID: id}), pathName(portal, iqn, initiator.DiskInfo{})} {
			if len(name) > maxName || !utf8.ValidString(name) || name == "." || name == ".." ||
				strings.ContainsFunc(name, func(r rune) bool { return r == '/' || !unicode.IsPrint(r) }) {
				t.Errorf("the name %q", name)
			}
		}
	})
}

func TestIDNameWithoutIdentity(t *testing.T) {
	if got := idName(initiator.DiskInfo{}); got != "" {
		t.Errorf("got %q, want none", got)
	}
}

func TestRelativeLink(t *testing.T) {
	for _, c := range []struct{ dir, file, want string }{
		{"", "lun0", "lun0"},
		{"", "a/lun0", "a/lun0"},
		{"by-id", "lun0", "../lun0"},
		{"by-id", "a/lun0", "../a/lun0"},
		{"b", "a/lun0", "../a/lun0"},
		{"a", "a/lun0", "lun0"},
	} {
		if got := relativeLink(c.dir, c.file); got != c.want {
			t.Errorf("in %q to %q: %q, want %q", c.dir, c.file, got, c.want)
		}
	}
}
