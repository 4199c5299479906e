package holders

import (
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/iscsifs/iscsifs/cmd/internal/plain"
)

// devices finds the loop devices on files of the mount and all that stands on them.
func (f *finder) devices() {
	for loop, path := range f.loops() {
		if file, ok := f.file(path); ok {
			f.device(stack{file: file, seen: map[string]bool{}}, loop)
		}
	}
}

// loops yields the directories of all loop devices in sysfs, and their files.
func (f *finder) loops() iter.Seq2[string, string] {
	return func(yield func(dir, path string) bool) {
		backing, _ := filepath.Glob(f.path("sys/block/loop*/loop/backing_file"))
		for _, attribute := range backing {
			path := strings.TrimSuffix(read(attribute), " (deleted)")
			if !yield(filepath.Dir(filepath.Dir(attribute)), path) {
				return
			}
		}
	}
}

// stack is the way up from one file.
type stack struct {
	file string          // of the mount
	seen map[string]bool // devices that were passed: sysfs is a graph
}

// device adds what stands on a block device, given by its directory in sysfs, and
// then the device itself: freed in this order.
func (f *finder) device(s stack, dir string) {
	name := filepath.Base(dir)
	if s.seen[name] {
		return
	}
	s.seen[name] = true
	partitions, _ := filepath.Glob(filepath.Join(dir, name+"*", "partition"))
	for _, p := range partitions {
		f.device(s, filepath.Dir(p))
	}
	holders, _ := filepath.Glob(filepath.Join(dir, "holders", "*"))
	for _, h := range holders {
		f.device(s, f.path("sys/block", filepath.Base(h)))
	}
	d := blockDevice{dir: dir, name: name, mapped: read(filepath.Join(dir, "dm/name"))}
	for _, node := range d.nodes() {
		f.nodes[node] = s.file
	}
	f.used(s, d)
	if h, ok := d.holder(); ok {
		h.LUNPath = s.file
		f.stand(h)
	}
}

// used adds the mounts of a device and its use as swap.
func (f *finder) used(s stack, d blockDevice) {
	number := read(filepath.Join(d.dir, "dev"))
	for _, info := range f.table {
		// btrfs has a device number of its own: its mounts tell by their source.
		if fmt.Sprintf("%d:%d", info.Major, info.Minor) == number || d.is(info.Source) {
			f.above[deviceKey(info.Major, info.Minor)] = s.file
			f.filesOn(s, info)
			f.stand(Holder{LUNPath: s.file, Kind: Mount, Name: plain.Text(info.Mountpoint),
				Command: "umount " + plain.Quoted(info.Mountpoint)})
		}
	}
	for _, swap := range f.swaps() {
		if d.is(swap) {
			f.swap(s, swap)
		}
	}
}

// filesOn adds the use of a mounted file system's files as swap and by loop devices,
// which keep it from being unmounted.
func (f *finder) filesOn(s stack, mounted *mountinfo.Info) {
	on := func(path string) bool {
		info := f.table.leading(path)
		return info != nil && info.Major == mounted.Major && info.Minor == mounted.Minor
	}
	for _, swap := range f.swaps() {
		if on(swap) {
			f.swap(s, swap)
		}
	}
	for loop, path := range f.loops() {
		if on(path) {
			f.device(s, loop)
		}
	}
}

func (f *finder) swap(s stack, name string) {
	f.stand(Holder{LUNPath: s.file, Kind: Swap, Name: plain.Text(name), Command: "swapoff " + plain.Quoted(name)})
}

// swaps returns the devices and files that are swap.
func (s System) swaps() []string {
	var list []string
	header := true
	for line := range strings.Lines(read(s.path("proc/swaps"))) {
		name, _, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		if !header && name != "" {
			list = append(list, name)
		}
		header = false
	}
	return list
}

// blockDevice is a directory of a block device in sysfs.
type blockDevice struct {
	dir    string
	name   string // of the kernel: loop0, loop0p1, dm-0, md0
	mapped string // of the device mapper, "" for others
}

// nodes are the device nodes by which the device is opened, mounted or swapped to.
func (d blockDevice) nodes() []string {
	nodes := []string{"/dev/" + d.name}
	if d.mapped != "" {
		nodes = append(nodes, "/dev/mapper/"+d.mapped)
	}
	return nodes
}

// is tells whether a device node is this device.
func (d blockDevice) is(node string) bool {
	for _, n := range d.nodes() {
		if n == node {
			return true
		}
	}
	return false
}

// holder is the device itself as a holder; false for a partition, which goes with
// its disk.
func (d blockDevice) holder() (Holder, bool) {
	switch {
	case d.mapped != "":
		return mappedHolder(d.mapped, read(filepath.Join(d.dir, "dm/uuid"))), true
	case exists(filepath.Join(d.dir, "md")):
		return Holder{Kind: RAID, Name: "/dev/" + d.name, Command: "mdadm --stop /dev/" + d.name}, true
	case exists(filepath.Join(d.dir, "loop")):
		return d.loop(), true
	default:
		return Holder{}, false
	}
}

func (d blockDevice) loop() Holder {
	h := Holder{Kind: Loop, Name: "/dev/" + d.name, Command: "losetup -d /dev/" + d.name}
	h.SectorSize, _ = strconv.Atoi(read(filepath.Join(d.dir, "queue/logical_block_size"))) // 0 where it is not told
	if read(filepath.Join(d.dir, "loop/autoclear")) == "1" {
		h.Command = "" // made by mount -o loop: it goes with the mount
	}
	return h
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// maxAttribute bounds what is read of a file of /proc or /sys that lists little, in
// bytes.
const maxAttribute = 1 << 20

// read returns what an attribute holds, without the end of its line; "" where it
// cannot be read: devices and processes go while one looks.
func read(path string) string {
	b, err := os.ReadFile(path)
	if err != nil || len(b) > maxAttribute {
		return ""
	}
	return strings.TrimSuffix(string(b), "\n")
}
