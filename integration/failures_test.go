package integration

import (
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/tgt"
)

const (
	loginTimeout = 3 * time.Second
	slack        = 11 * time.Second // of a busy machine and the race detector; login_timeout is 15 s by default
)

// wantMountFailure tries to mount and checks all that the user is promised of
// a failure: exit code, one sentence, in time, nothing left behind.
func (h *host) wantMountFailure(c config, code int, explains string) {
	h.t.Helper()
	if c.tables == "" {
		c.tables = "[session]\nlogin_timeout = \"" + loginTimeout.String() + "\""
	}
	started := time.Now()
	r := h.tryMount(c)
	if took := time.Since(started); took > loginTimeout+slack {
		h.t.Errorf("took %v, login_timeout is %v", took, loginTimeout)
	}
	r.wantFailure(h.t, code, c.portal)
	if !regexp.MustCompile("(?i)" + explains).MatchString(r.stderr) {
		h.t.Errorf("the message does not explain (%s): %s", explains, r.stderr)
	}
	if c.in.Password != "" && strings.Contains(r.stdout+r.stderr, c.in.Password) {
		h.t.Error("the message shows the password")
	}
	if left := leftovers(h.dir); len(left) > 0 {
		h.t.Errorf("left behind: %q", left)
	}
}

func TestWrongPassword(t *testing.T) {
	h := newHost(t)
	c := h.serve(nil, disk{size: 16 * mib}).withCHAP(t).config()
	c.in.Password = "NotTheSecret-99"
	h.wantMountFailure(c, exitRefused, "auth|password")
}

func TestNoPassword(t *testing.T) {
	h := newHost(t)
	c := h.serve(nil, disk{size: 16 * mib}).withCHAP(t).config()
	c.in, c.out = tgt.Account{}, tgt.Account{}
	h.wantMountFailure(c, exitRefused, "auth|password|CHAP")
}

// The target that cannot prove itself is refused by us.
func TestWrongMutualPassword(t *testing.T) {
	h := newHost(t)
	c := h.serve(nil, disk{size: 16 * mib}).withCHAP(t).config()
	c.out.Password = "NotTheSecret-99"
	h.wantMountFailure(c, exitRefused, "target.*(auth|prove|password|CHAP)|mutual")
}

func TestWrongIQN(t *testing.T) {
	h := newHost(t)
	c := h.serve(nil, disk{size: 16 * mib}).config()
	c.iqn += ".not-there"
	h.wantMountFailure(c, exitUnreachable, "no such target|not found|no target")
}

func TestClosedPort(t *testing.T) {
	h := newHost(t)
	h.wantMountFailure(config{portal: freeAddress(t), iqn: targetIQN}, exitUnreachable, "refused")
}

// A port that accepts (the kernel does, from the backlog) and never answers.
func TestSilentPort(t *testing.T) {
	h := newHost(t)
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { port.Close() })
	h.wantMountFailure(config{portal: port.Addr().String(), iqn: targetIQN}, exitUnreachable, "no answer|not answer|timed? ?out|within")
}

func TestPortThatSpeaksHTTP(t *testing.T) {
	h := newHost(t)
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	h.wantMountFailure(config{portal: web.Listener.Addr().String(), iqn: targetIQN}, exitUnreachable, "iSCSI")
}

func TestListedLUNVanished(t *testing.T) {
	h := newHost(t)
	s := h.serve(nil, disk{size: 16 * mib}, disk{size: 16 * mib})
	if err := s.RemoveLUN(2); err != nil {
		t.Fatal(err)
	}
	c := s.config()
	c.target = "luns = [1, 2]"
	h.wantMountFailure(c, exitFailed, "LUN 2")
	s.wantNoSession(t)
}

// tgt's LUN 0 is its controller: listed, it is an error; by default it is
// passed over (every other test).
func TestListedLUNIsNoDisk(t *testing.T) {
	h := newHost(t)
	c := h.serve(nil, disk{size: 16 * mib}).config()
	c.target = "luns = [0, 1]"
	h.wantMountFailure(c, exitFailed, "LUN 0.*disk")
}

// A mount that fails after it was reachable leaves the target as it was: the
// next one succeeds.
func TestMountAfterFailure(t *testing.T) {
	h := newHost(t)
	s := h.serve(nil, disk{size: 16 * mib}).withCHAP(t)
	wrong := s.config()
	wrong.in.Password = "NotTheSecret-99"
	h.wantMountFailure(wrong, exitRefused, "auth|password")
	h.mount(s.config())
}

func TestConfigurationFaults(t *testing.T) {
	h := newHost(t)
	c := config{portal: "127.0.0.1:99999", iqn: "not an iqn", tables: "[session]\nlogin_timeuot = \"3s\""}
	r := h.tryMount(c)
	if r.code != exitUsage {
		t.Errorf("exit code %d, want %d", r.code, exitUsage)
	}
	for _, fault := range []string{`nas\.toml:\d+: .*portals`, `nas\.toml:\d+: .*iqn`, `nas\.toml:\d+: .*login_timeuot`} {
		if !regexp.MustCompile(fault).MatchString(r.stderr) {
			t.Errorf("no line matches %s:\n%s", fault, r.stderr)
		}
	}
}
