package integration

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/integration/tgt"
)

func TestDiscover(t *testing.T) {
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk})
	if _, err := s.daemon.AddTarget(targetIQN+".two", nil); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(h.mustIscsifs("discover", s.portal)), "\n")
	for _, want := range []string{s.portal + ",1 " + targetIQN, s.portal + ",1 " + targetIQN + ".two"} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q in %q", want, lines)
		}
	}
	if len(lines) != 2 {
		t.Errorf("lines %q, want two", lines)
	}
}

// What --toml prints mounts what was found, with either kind of table; also where both the
// discovery and the sessions ask for CHAP. No password is printed.
func TestDiscoverTOML(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk})
	for _, a := range []string{"discovery", "target"} {
		t.Run("open "+a, func(t *testing.T) { h.mountsFound(t, s, a) })
	}
	if err := errors.Join(s.RequireCHAP(hostAccount, tgt.Account{}), s.daemon.RequireDiscoveryCHAP(hostAccount, tgt.Account{})); err != nil {
		t.Fatal(err)
	}
	secret := h.write("secret", hostAccount.Password+"\n", 0o600)
	for _, a := range []string{"discovery", "target"} {
		t.Run("CHAP "+a, func(t *testing.T) {
			h.mountsFound(t, s, a, "--chap-user", hostAccount.User, "--chap-password-file", secret)
		})
	}
}

// mountsFound mounts what discover prints.
func (h *host) mountsFound(t *testing.T, s *served, kind string, flags ...string) {
	t.Helper()
	text := h.mustIscsifs(append([]string{"discover", "--toml=" + kind, s.portal}, flags...)...)
	if !strings.Contains(text, "[["+kind+"]]") || strings.Contains(text, hostAccount.Password) {
		t.Errorf("it prints\n%s", text)
	}
	file := h.write("found.toml", text, 0o600)
	h.mustIscsifs("check", file)
	point := h.mountpoint()
	printed := h.mustIscsifs("mount", file, point)
	defer h.mustIscsifs("umount", point)
	var lun string
	for _, field := range strings.Fields(printed) {
		if strings.HasPrefix(field, point) {
			lun = strings.TrimRight(field, ":,")
		}
	}
	if lun == "" || h.sha256(lun) != h.sha256(s.backing[1]) {
		t.Errorf("mount printed %q; the file reads other bytes than the backing file's", printed)
	}
}

func TestDiscoverFailures(t *testing.T) {
	h := newHost(t)
	nobody := freeAddress(t)
	h.iscsifs("discover", nobody).wantFailure(t, exitUnreachable, nobody)
	if r := h.iscsifs("discover"); r.code != exitUsage {
		t.Errorf("without a portal: exit code %d, want %d", r.code, exitUsage)
	}
}
