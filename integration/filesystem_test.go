package integration

import (
	"cmp"
	"path/filepath"
	"testing"
)

// filesystem is one that the kernel mounts, with the commands that make and
// check it.
type filesystem struct {
	name, mkfs, check, options string
}

var (
	ext4 = filesystem{"ext4", `mkfs.ext4 -q -F "$1"`, `e2fsck -fn "$1" 2>&1`, "ro,loop"}
	xfs  = filesystem{"xfs", `mkfs.xfs -q -f "$1"`, `xfs_repair -n "$1" 2>&1`, "ro,loop"}
)

// smallestXFS is what mkfs.xfs asks for at least.
const smallestXFS = 300 * mib

// fsTest is one run of the main job: a LUN, a loop device, a file system.
type fsTest struct {
	fs        filesystem
	disk      disk
	settings  map[string]string
	tables    string
	loopFlags []string
	tree      string // below GOROOT; "" = src/net, a tenth of src
}

func TestExt4WithMutualCHAP(t *testing.T) {
	fsTest{fs: ext4, disk: disk{size: gib}, tree: "src"}.run(t)
}
func TestXFSWithMutualCHAP(t *testing.T) { fsTest{fs: xfs, disk: disk{size: smallestXFS}}.run(t) }

func TestExt4WithDigests(t *testing.T) {
	fsTest{
		fs: ext4, disk: disk{size: 128 * mib},
		settings: map[string]string{"HeaderDigest": "CRC32C,None", "DataDigest": "CRC32C,None"},
		tables:   "[session]\nheader_digest = \"crc32c\"\ndata_digest = \"crc32c\"",
	}.run(t)
}

// A LUN of 4096-byte blocks under loop's default of 512: every small write is a
// read, modify, write of one block.
func TestExt4On4096UnderLoop512(t *testing.T) {
	fsTest{fs: ext4, disk: disk{size: 128 * mib, blockSize: 4096}}.run(t)
}

func TestExt4On4096(t *testing.T) {
	fsTest{fs: ext4, disk: disk{size: 128 * mib, blockSize: 4096}, loopFlags: []string{"--sector-size", "4096"}}.run(t)
}

func TestXFSOn4096UnderLoop512(t *testing.T) {
	fsTest{fs: xfs, disk: disk{size: smallestXFS, blockSize: 4096}}.run(t)
}

func TestXFSOn4096(t *testing.T) {
	fs := xfs
	fs.options = "ro" // mount(8)'s own loop device would have 512-byte sectors, below the file system's
	fsTest{fs: fs, disk: disk{size: smallestXFS, blockSize: 4096}, loopFlags: []string{"--sector-size", "4096"}}.run(t)
}

func TestExt4WithDirectLoop(t *testing.T) {
	fsTest{fs: ext4, disk: disk{size: 128 * mib}, loopFlags: []string{"--direct-io=on"}}.run(t)
}

// run mounts the LUN, makes the file system through a loop device, copies a
// tree, undoes it all, and looks for the tree in the target's backing file.
func (f fsTest) run(t *testing.T) {
	needRoot(t)
	needTools(t, "losetup", "mkfs."+f.fs.name)
	h := newHost(t)
	s := h.serve(f.settings, f.disk).withCHAP(t)
	c := s.config()
	c.tables = f.tables
	m := h.mount(c)
	if got, want := h.sha256(m.lun(1)), h.sha256(s.backing[1]); got != want {
		t.Fatalf("sha256sum of the LUN's file is %s, of the backing file %s", got, want)
	}
	tree := h.goTree(cmp.Or(f.tree, "src/net"))
	f.fill(h, m.lun(1), tree)
	m.umount()
	f.verify(h, s.backing[1], tree)
}

// fill makes the file system on the LUN and copies the tree into it.
func (f fsTest) fill(h *host, lun, tree string) {
	h.t.Helper()
	loop := h.attachLoop(lun, f.loopFlags...)
	h.sh(f.fs.mkfs, loop)
	point := h.mountFS(loop, "rw")
	h.sh(`cp -a "$1" "$2"`, tree, point)
	h.sh(`umount "$1"`, point)
	h.sh(`losetup -d "$1"`, loop)
}

// verify reads the file system back without iscsifs.
func (f fsTest) verify(h *host, backing, tree string) {
	h.t.Helper()
	h.sh(f.fs.check, backing)
	source := backing
	if f.fs.options == "ro" {
		source = h.attachLoop(backing, append([]string{"--read-only"}, f.loopFlags...)...)
	}
	point := h.mountFS(source, f.fs.options)
	if got, want := h.manifest(filepath.Join(point, filepath.Base(tree))), h.manifest(tree); got != want {
		h.t.Errorf("the tree in the backing file differs from its source:\n%s", firstDifference(got, want))
	}
	h.sh(`umount "$1"`, point)
}
