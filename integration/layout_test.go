package integration

import (
	"fmt"
	"os"
	"slices"
	"testing"
)

// names lists a directory.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func wantNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	slices.Sort(want)
	if have := names(t, dir); !slices.Equal(have, want) {
		t.Errorf("%s has %q, want %q", dir, have, want)
	}
}

// By default every disk appears, tgt's controller (LUN 0) does not.
func TestAllLUNs(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil)
	want := []string{"by-id", "by-path"}
	for i := range 20 {
		h.addDisk(s, disk{size: int64(i+1) * mib})
		want = append(want, fmt.Sprintf("lun%d", i+1))
	}
	m := h.mount(s.config())
	wantNames(t, m.point, want...)
	for i := range 20 {
		if info, err := os.Stat(m.lun(i + 1)); err != nil || info.Size() != int64(i+1)*mib {
			t.Errorf("LUN %d: %v, %v", i+1, info, err)
		}
	}
}

func TestListedLUNs(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: mib}, disk{size: mib}, disk{size: mib})
	c := s.config()
	c.target = "luns = [1, 3]"
	m := h.mount(c)
	wantNames(t, m.point, "by-id", "by-path", "lun1", "lun3")
}

// Two targets in one mount, one in a directory of its own.
func TestTwoTargets(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	one, two := h.serve(nil, disk{size: mib}), h.serveAs(targetIQN+".backup", nil, disk{size: 8 * mib})
	c := one.config()
	c.tables = fmt.Sprintf("[[target]]\nportals = [%q]\niqn = %q\ndirectory = \"backup\"\n", two.portal, two.IQN)
	m := h.mount(c)
	wantNames(t, m.point, "backup", "by-id", "by-path", "lun1")
	wantNames(t, m.point+"/backup", "lun1")
	if h.sha256(m.point+"/backup/lun1") != h.sha256(two.backing[1]) {
		t.Error("backup/lun1 reads other bytes than its backing file's")
	}
}

// One target that is away, and not required, holds up nobody.
func TestMissingTargetNotRequired(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: mib})
	c := s.config()
	c.tables = "[[target]]\nportals = [\"127.0.0.1:1\"]\niqn = \"iqn.2026-11.org.example:away\"\ndirectory = \"away\"\nrequired = false\n"
	m := h.mount(c)
	if h.sha256(m.lun(1)) != h.sha256(s.backing[1]) {
		t.Error("lun1 reads other bytes than its backing file's")
	}
}
