package config

import (
	"slices"
	"testing"
)

func TestDifferences(t *testing.T) {
	const base = `
[log]
level = "debug"
[[target]]
portals = ["192.0.2.7"]
iqn = "iqn.2001-04.com.example:a"
[target.chap]
username = "u"
password = "secret number 1"
`
	for _, c := range []struct {
		more   string
		target []string
		file   []string
	}{
		{"", nil, nil},
		{"[target.session]\nqueue_depth = 3\nlogin_timeout = '2s'\n", []string{"session.login_timeout", "session.queue_depth"}, nil},
		{"[target.cache]\nmode = 'none'\n", []string{"cache.mode"}, nil},
		{"mutual_username = 'nas'\nmutual_password = 'secret number 2'\n", []string{"chap"}, nil},
		{"[session]\nqueue_depth = 3\n", []string{"session.queue_depth"}, nil},
		{"[cache]\nsize = '512MiB'\n", []string{"cache.dirty_limit"}, []string{"cache.size"}},
		{"[mount]\nmode = '0640'\n[metrics]\nlisten = '127.0.0.1:9799'\n", nil, []string{"mount.mode", "metrics.listen"}},
		{"[initiator]\nalias = 'x'\n", nil, []string{"initiator.alias"}},
	} {
		a, _ := mustLoad(t, base)
		b, _ := mustLoad(t, base+c.more)
		if got := a.Targets[0].Differences(&b.Targets[0]); !slices.Equal(got, c.target) {
			t.Errorf("%q: the targets differ in %v, want %v", c.more, got, c.target)
		}
		if got := a.Differences(b); !slices.Equal(got, c.file) {
			t.Errorf("%q: the files differ in %v, want %v", c.more, got, c.file)
		}
	}
	a, _ := mustLoad(t, base)
	b, _ := mustLoad(t, base)
	b.Targets[0].CHAP.Password = NewSecret([]byte("secret number 3"))
	b.Targets[0].LUNs, b.Targets[0].Portals = []uint16{1}, append(b.Targets[0].Portals, Portal{"192.0.2.8", 3260})
	if got := a.Targets[0].Differences(&b.Targets[0]); !slices.Equal(got, []string{"portals", "luns", "chap"}) {
		t.Errorf("the targets differ in %v", got)
	}
}
