package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/iscsifs/iscsifs/integration/target"
)

// twoNames mounts a unit that its target shows under two names, each by a portal of
// its own.
func twoNames(t *testing.T) (*host, *scripted, *mounted, [2]*target.Portal) {
	t.Helper()
	h := newHost(t)
	lun := target.NewMemoryLUN(32<<20, 512)
	s := h.scriptWith(target.Config{IQN: scriptedIQN, LUNs: []*target.LUN{lun}, Strict: true,
		Others: []target.Node{{IQN: scriptedIQN + "-b", LUNs: []*target.LUN{lun}}}})
	var portals [2]*target.Portal
	for i := range portals {
		var err error
		if portals[i], err = s.AddPortal("127.0.0.1:0", uint16(i+2)); err != nil {
			t.Fatal(err)
		}
	}
	c := s.config("mode = \"none\"\n")
	c.portal = portals[0].Addr()
	c.tables += "[[target]]\nportals = [\"" + portals[1].Addr() + "\"]\niqn = \"" + scriptedIQN + "-b\"\ndirectory = \"first\"\n"
	return h, s, h.mount(c), portals
}

// TestTwoNamesOfAUnit: what is met under a second target name is a path to the unit of
// the first: its file goes on with either, and the second name is a link to it.
func TestTwoNamesOfAUnit(t *testing.T) {
	h, s, m, portals := twoNames(t)
	first := filepath.Join(m.point, "first/lun0")
	if to, err := os.Readlink(m.lun(0)); err != nil || to != "first/lun0" {
		t.Errorf("lun0 leads to %q, %v", to, err)
	}
	write := func(file string, place int64, fill byte) {
		t.Helper()
		data := bytes.Repeat([]byte{fill}, 1<<20)
		in := h.write("data", string(data), 0o600)
		h.sh(`dd if="$1" of="$2" bs=64k seek="$3" conv=notrunc oflag=direct,seek_bytes status=none`, in, file, itoa(place<<20))
		if !bytes.Equal(s.medium(t, 0, place<<20, 1<<20), data) {
			t.Errorf("the medium has other data at %d MiB than was written", place)
		}
	}
	for round := range 4 {
		if err := portals[round%2].Cut(); err != nil {
			t.Fatal(err)
		}
		write(m.lun(0), int64(round), byte(round+1))
		if err := portals[round%2].Listen(); err != nil {
			t.Fatal(err)
		}
		if !eventually(patience, func() bool { return len(s.Sessions()) == 2 }) {
			t.Fatal("the path does not come back")
		}
	}
	h.mustIscsifs("logout", m.point, scriptedIQN+"-b")
	if _, err := os.Stat(first); err == nil {
		t.Error("the name of the target that was logged out is still there")
	}
	if fi, err := os.Lstat(m.lun(0)); err != nil || !fi.Mode().IsRegular() {
		t.Errorf("the other name is no file: %v, %v", fi, err)
	}
	write(m.lun(0), 8, 9)
	h.mustIscsifs("login", m.point, scriptedIQN+"-b")
	if to, err := os.Readlink(first); err != nil || to != "../lun0" {
		t.Errorf("first/lun0 leads to %q, %v", to, err)
	}
	write(first, 9, 10)
	m.umount()
}
