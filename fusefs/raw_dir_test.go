package fusefs

import (
	"fmt"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// treeOf is a directory "d" with so many LUNs.
func treeOf(t *testing.T, luns int) (f *FS, dir uint64) {
	t.Helper()
	f = New(Options{})
	for n := range luns {
		expect(t, "add", f.AddLUN("d", fmt.Sprintf("lun%d", n), newMemLUN(512, 0), nil), nil)
	}
	return f, f.find("d").id
}

// readDir lists n entries of a directory that follow an offset, as one READDIR does, and
// returns the offset of the last.
func readDir(f *FS, dir, off uint64, n int, see func(name string)) (last uint64, more bool) {
	in := &fuse.ReadIn{InHeader: fuse.InHeader{NodeId: dir}, Offset: off}
	f.list(in, func(e fuse.DirEntry, _ *node) bool {
		if n--; n < 0 {
			more = true
			return false
		}
		see(e.Name)
		last = e.Off
		return true
	})
	return last, more
}

// TestListWhileNamesChange: a listing in pieces has each name that was there all the time
// once (readdir(3): only of what comes and goes meanwhile it is unspecified), in
// whatever order names come and go.
func TestListWhileNamesChange(t *testing.T) {
	const stay, piece = 300, 7
	f, dir := treeOf(t, stay)
	seen := map[string]int{}
	more, off, round := true, uint64(0), 0
	for ; more; round++ {
		off, more = readDir(f, dir, off, piece, func(name string) { seen[name]++ })
		expect(t, "add", f.AddLUN("d", fmt.Sprintf("new%d", round), newMemLUN(512, 0), nil), nil)
		if round%3 == 2 {
			expect(t, "remove", f.RemoveLUN("d", fmt.Sprintf("new%d", round-1)), nil)
		}
	}
	for n := range stay {
		if name := fmt.Sprintf("lun%d", n); seen[name] != 1 {
			t.Errorf("%s is listed %d times", name, seen[name])
		}
	}
	if seen["."] != 1 || seen[".."] != 1 {
		t.Errorf(". and .. are listed %d and %d times", seen["."], seen[".."])
	}
	last := 0
	readDir(f, dir, 2, 1000, func(string) { last++ }) // all that there are behind "." and ".."
	if want := stay + round - round/3; last != want {
		t.Errorf("%d names in the end, want %d", last, want)
	}
}

// A READDIR costs what it lists, not what the directory has: large ones are read in many.
func TestListTakesNoMemory(t *testing.T) {
	f, dir := treeOf(t, 1000)
	off, _ := readDir(f, dir, 0, 500, func(string) {})
	in := &fuse.ReadIn{InHeader: fuse.InHeader{NodeId: dir}, Offset: off}
	none := func(fuse.DirEntry, *node) bool { return false }
	if n := testing.AllocsPerRun(100, func() { f.list(in, none) }); n > 0 {
		t.Errorf("%.0f allocations", n)
	}
}
