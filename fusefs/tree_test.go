package fusefs

import (
	"strings"
	"syscall"
	"testing"
)

func TestNames(t *testing.T) {
	f := New(Options{})
	lun := newMemLUN(512, 0)
	for _, c := range []struct {
		dir, name string
		want      error
	}{
		{"", "lun0", nil},
		{"", "lun0", syscall.EEXIST},
		{"nas", "lun0", nil},
		{"nas", "lun0", syscall.EEXIST},
		{"", "nas", syscall.EEXIST},
		{"lun0", "lun1", syscall.EEXIST},
		{"", "", syscall.EINVAL},
		{"", "..", syscall.EINVAL},
		{"", ".", syscall.EINVAL},
		{"..", "lun0", syscall.EINVAL},
		{"a/b", "lun0", syscall.EINVAL},
		{"", "a/b", syscall.EINVAL},
		{"", "a\x00", syscall.EINVAL},
		{"", strings.Repeat("a", 256), syscall.EINVAL},
		{"", strings.Repeat("a", 255), nil},
	} {
		expect(t, c.dir+"/"+c.name, f.AddLUN(c.dir, c.name, lun, nil), c.want)
	}
	expect(t, "remove what is a directory", f.RemoveLUN("", "nas"), syscall.ENOENT)
	expect(t, "remove a LUN as a link", f.RemoveLink("", "lun0"), syscall.ENOENT)
	expect(t, "remove", f.RemoveLUN("nas", "lun0"), nil)
	expect(t, "remove again", f.RemoveLUN("nas", "lun0"), syscall.ENOENT)
	expect(t, "the directory is gone", f.AddLUN("", "nas", lun, nil), nil)
	expect(t, "link", f.AddLink("by-id", "x", "../lun0"), nil)
	expect(t, "remove the link", f.RemoveLink("by-id", "x"), nil)
}

// TestNodeIDs are the same in every process, and are never those that mean
// something else.
func TestNodeIDs(t *testing.T) {
	for path, want := range map[string]uint64{"lun0": 0x31b9d4adf297f6c4, "nas/lun0": 0x411e3e3b9040aaeb} {
		if got := nodeID(path, 0); got != want {
			t.Errorf("%s: %#x, want %#x", path, got, want)
		}
	}
	if nodeID("lun0", 0) == nodeID("lun0", 1) {
		t.Error("a collision cannot be resolved")
	}
	f := New(Options{})
	f.nodes[nodeID("lun0", 0)] = &node{}
	expect(t, "add", f.AddLUN("", "lun0", newMemLUN(512, 0), nil), nil)
	if got := f.find("lun0").id; got != nodeID("lun0", 1) {
		t.Errorf("after a collision: %#x", got)
	}
}
