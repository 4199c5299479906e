package integration

import (
	"net"
	"slices"
	"strings"
	"testing"
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

// What --toml prints mounts what was found.
func TestDiscoverTOML(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk})
	file := h.write("found.toml", h.mustIscsifs("discover", "--toml", s.portal), 0o600)
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
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port.Close()
	h.iscsifs("discover", port.Addr().String()).wantFailure(t, exitUnreachable, port.Addr().String())
	if r := h.iscsifs("discover"); r.code != exitUsage {
		t.Errorf("without a portal: exit code %d, want %d", r.code, exitUsage)
	}
}
