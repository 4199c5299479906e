package config

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		glob, iqn string
		want      bool
	}{
		{"iqn.2001-04.com.example:*", "iqn.2001-04.com.example:disk1", true},
		{"iqn.2001-04.com.example:*", "IQN.2001-04.com.Example:Disk1", true},
		{"iqn.2001-04.com.example:*", "iqn.2001-04.org.example:disk1", false},
		{"*", "iqn.2001-04.com.example:a/b/c", true},
		{"*disk[12]", "iqn.2001-04.com.example:disk2", true},
		{"*disk[12]", "iqn.2001-04.com.example:disk3", false},
		{"*disk?", "iqn.2001-04.com.example:disk/", true},
	} {
		d := Discovery{Match: []string{"nothing", c.glob}}
		if got := d.Matches(c.iqn); got != c.want {
			t.Errorf("%s matches %s: %v", c.glob, c.iqn, got)
		}
	}
}

func TestDirectoryOf(t *testing.T) {
	const iqn = "iqn.2001-04.com.example:disk1"
	for _, c := range []struct {
		pattern, iqn, want string // want ending in - : a hash follows
	}{
		{"{iqn}", iqn, iqn},
		{"nas-{iqn}", iqn, "nas-" + iqn},
		{"", iqn, ""},
		{"taken", iqn, "taken-"},
		{"{iqn}", "..", "..-"},
		{"{iqn}", ".", ".-"},
		{"{iqn}", "../../etc", ".._.._etc-"},
		{"{iqn}", "by-id", "by-id-"},
		{"{iqn}", "lun7", "lun7-"},
		{"{iqn}", "a\x00b\x1b[2J\nc", "a_b_[2J_c-"},
		{"{iqn}", "a\xffb\u202ec", "a_b_c-"},
		{"{iqn}", strings.Repeat("é", 200), strings.Repeat("é", 123) + "-"},
	} {
		d := Discovery{Directory: c.pattern}
		got := d.DirectoryOf(c.iqn, func(s string) bool { return s == "taken" })
		if ok := got == c.want; !ok && !(strings.HasSuffix(c.want, "-") && strings.HasPrefix(got, c.want) && len(got) == len(c.want)+8) {
			t.Errorf("%q in %q: %q, want %q", c.iqn, c.pattern, got, c.want)
		}
		if err := checkDirectory(got); err != nil || !utf8.ValidString(got) {
			t.Errorf("%q in %q: %q: %v", c.iqn, c.pattern, got, err)
		}
	}
}

// Two that would share a directory are told apart, always in the same way.
func TestDirectoriesDiffer(t *testing.T) {
	d := Discovery{Directory: "{iqn}"}
	free := func(string) bool { return false }
	a, b := d.DirectoryOf("iqn.2001-04.com.example:a/b", free), d.DirectoryOf("iqn.2001-04.com.example:a_b", free)
	c := d.DirectoryOf("iqn.2001-04.com.example:a\\b/", free)
	if a == b || a == c || b != "iqn.2001-04.com.example:a_b" {
		t.Errorf("%q, %q, %q", a, b, c)
	}
	if again := d.DirectoryOf("iqn.2001-04.com.example:a/b", free); again != a {
		t.Errorf("%q, then %q", a, again)
	}
	first := d.DirectoryOf("x/y", free)
	if second := d.DirectoryOf("x/y", func(s string) bool { return s == first }); second == first {
		t.Errorf("%q is taken", second)
	}
}

func FuzzDirectoryOf(f *testing.F) {
	f.Add("{iqn}", "iqn.2001-04.com.example:disk1")
	f.Add("nas-{iqn}", "../\x00")
	f.Fuzz(func(t *testing.T, pattern, iqn string) {
		if checkPattern(pattern) != nil {
			return
		}
		d := Discovery{Directory: pattern}
		if got := d.DirectoryOf(iqn, func(s string) bool { return s == "" }); checkDirectory(got) != nil || got == "" {
			t.Errorf("%q in %q: %q: %v", iqn, pattern, got, checkDirectory(got))
		}
	})
}
