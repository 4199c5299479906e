package initiator

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseAddress(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want address
		text string // empty for an error
	}{
		{"10.0.0.1", address{"10.0.0.1", 3260, -1}, "10.0.0.1:3260"},
		{"10.0.0.1:860,1", address{"10.0.0.1", 860, 1}, "10.0.0.1:860"},
		{"nas.example.org,0", address{"nas.example.org", 3260, 0}, "nas.example.org:3260"},
		{"[2001:db8::62]:3261,65535", address{"2001:db8::62", 3261, 65535}, "[2001:db8::62]:3261"},
		{"[2001:db8::62]", address{"2001:db8::62", 3260, -1}, "[2001:db8::62]:3260"},
		{"2001:db8::62,2", address{"2001:db8::62", 3260, 2}, "[2001:db8::62]:3260"},
		{"[fe80::1%eth0]:3260", address{"fe80::1%eth0", 3260, -1}, "[fe80::1%eth0]:3260"},
		{"", address{}, ""}, {":3260", address{}, ""}, {"a:", address{}, ""}, {"a:0", address{}, ""},
		{"a:65536", address{}, ""}, {"a:x", address{}, ""}, {"a,", address{}, ""}, {"a,65536", address{}, ""},
		{"a,1,2", address{}, ""}, {"[::1", address{}, ""}, {"[::1]x", address{}, ""}, {"[::1]:", address{}, ""},
		{"[10.0.0.1]:3260", address{}, ""}, {"::1::2", address{}, ""}, {"[fe80::1%a/b]", address{}, ""},
		{"a b", address{}, ""}, {"../etc", address{}, ""}, {"näs", address{}, ""}, {"a\x00b", address{}, ""},
		{strings.Repeat("a", 254), address{}, ""},
	} {
		got, err := parseAddress(tt.in)
		if (err == nil) != (tt.text != "") {
			t.Errorf("%q: got %v, %v", tt.in, got, err)
		} else if err == nil && (got != tt.want || got.String() != tt.text) {
			t.Errorf("%q: got %s", tt.in, cmp.Diff(tt.want, got, cmp.AllowUnexported(address{})))
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{"10.0.0.1:3260,1", "[2001:db8::1]:860", "::1", "nas", "[fe80::1%eth0],2", "[", ":", ","} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := parseAddress(s)
		if err != nil {
			return
		}
		again, err := parseAddress(a.String())
		a.tag = noGroupTag
		if err != nil || again != a {
			t.Fatalf("%q: %v becomes %v, %v", s, a, again, err)
		}
	})
}
