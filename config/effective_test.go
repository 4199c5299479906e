package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// shown is what WriteEffective writes.
func shown(t *testing.T, c *Config) string {
	t.Helper()
	var b strings.Builder
	if err := c.WriteEffective(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestEffectiveIsTheSame loads what WriteEffective wrote: it must be the same
// configuration, and be written in the same way again.
func TestEffectiveIsTheSame(t *testing.T) {
	want, _ := mustLoad(t, second+`directory = "a \"dir\" \\ ectory"
luns = [3, 1]
interface = "eth0"
[target.session]
replacement_timeout = "never"
noop_interval = "0s"
[target.cache]
mode = "none"
dirty_limit = "33%"
[[discovery]]
portal = "[fe80::1%eth0]"
match = ["*"]
[cache]
size = 12345678
max_age = "90s"
[mount]
allow_other = false
gid = 0
mode = "0644"
[log]
level = "trace"
`)
	text := shown(t, want)
	got, _ := mustLoad(t, text)
	ignore := cmp.Options{compareSecrets, cmpopts.IgnoreFields(Config{}, "Path"),
		cmpopts.IgnoreFields(Target{}, "Line"), cmpopts.IgnoreFields(Discovery{}, "Line")}
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Errorf("%s\n%s", diff, text)
	}
	got.Path = want.Path
	if again := shown(t, got); again != text {
		t.Errorf("written differently: %s", cmp.Diff(text, again))
	}
}

// TestEffectiveMasks shows that there are secrets, but none of them.
func TestEffectiveMasks(t *testing.T) {
	c, _ := mustLoad(t, chap+"username = 'u'\npassword = 'our own password'\nmutual_username = 'm'\nmutual_password = 'their password'\n")
	got := shown(t, c)
	want := `
[target.chap]
username        = "u"
password        = "********"
mutual_username = "m"
mutual_password = "********"
`
	if !strings.Contains(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	if strings.Contains(got, "our own") || strings.Contains(got, "their") {
		t.Error(got)
	}
	c, _ = mustLoad(t, chap+"username = 'u'\npassword = 'our own password'\n")
	if got := shown(t, c); strings.Contains(got, "mutual") || strings.Count(got, redacted) != 1 {
		t.Error(got)
	}
}
