package integration

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// otherSectors is how status names a loop device whose sectors are not its LUN's
// blocks, with the command that repairs it.
var otherSectors = regexp.MustCompile(`(/dev/loop\d+) has sectors of (\d+) bytes, the LUN blocks of (\d+).*: (losetup --sector-size \d+ /dev/loop\d+)$`)

// TestLoopSectorSize: status names a loop device with the wrong sector size, in
// text and JSON, and the command that it shows repairs it; then a partition table is
// where others look for it.
func TestLoopSectorSize(t *testing.T) {
	needTools(t, "losetup", "sfdisk")
	h := newHost(t)
	s := h.serve(nil, disk{size: 32 * mib, blockSize: 4096}, disk{size: 32 * mib})
	m := h.mount(s.config())
	large, small := h.attachLoop(m.lun(1)), h.attachLoop(m.lun(2), "--sector-size", "512")
	luns := m.target().LUNs
	if len(luns[1].Warnings) > 0 || luns[1].Holders[0].SectorSize != 512 {
		t.Errorf("%s has 512-byte sectors as its LUN: %+v", small, luns[1])
	}
	if len(luns[0].Warnings) != 1 || luns[0].Holders[0].SectorSize != 512 {
		t.Fatalf("LUN 1: %+v", luns[0])
	}
	named := otherSectors.FindStringSubmatch(luns[0].Warnings[0])
	if named == nil || named[1] != large || named[2] != "512" || named[3] != "4096" {
		t.Fatalf("the warning is %q", luns[0].Warnings[0])
	}
	if text := h.mustIscsifs("status", m.point); !strings.Contains(text, named[0]) {
		t.Errorf("status does not say so:\n%s", text)
	}
	h.sh(named[4])
	if l := m.target().LUNs[0]; len(l.Warnings) > 0 || l.Holders[0].SectorSize != 4096 {
		t.Errorf("after %q: %+v", named[4], l)
	}
	wantPartitions(h, large, s.backing[1])
	h.sh(`losetup -d "$1"; losetup -d "$2"`, large, small)
}

// wantPartitions makes a partition table on a loop device of 4096-byte sectors, and
// looks for it on the backing file.
func wantPartitions(h *host, loop, backing string) {
	h.t.Helper()
	h.sh(`printf 'label: gpt\nsize=8MiB, name=first\nname=second\n' | sfdisk --quiet --no-reread "$1"; blockdev --flushbufs "$1"`, loop)
	other := h.attachLoop(backing, "--sector-size", "4096", "--read-only")
	dump := `sfdisk --dump "$1" | sed "s,$1,DISK,; /^device/d"`
	ours, theirs := h.sh(dump, loop), h.sh(dump, other)
	if ours != theirs || !strings.Contains(ours, "sector-size: 4096") || strings.Count(ours, "DISK") != 2 {
		h.t.Errorf("the partition table on the LUN:\n%s\non its backing file:\n%s", ours, theirs)
	}
	h.sh(`losetup -d "$1"`, other)
}

// TestLoopPartitions: file systems on partitions of a LUN (losetup -P), of both block
// sizes, are there for who opens the disk without us.
func TestLoopPartitions(t *testing.T) {
	needTools(t, "losetup", "sfdisk", "mkfs.ext4", "partx")
	for name, size := range map[string]int{"512": 512, "4096": 4096} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			s := h.serve(nil, disk{size: 48 * mib, blockSize: size})
			m := h.mount(s.config())
			loop := h.attachLoop(m.lun(1), "--sector-size", name, "--direct-io=on")
			h.sh(`printf 'label: gpt\nsize=16MiB\nsize=16MiB\n' | sfdisk --quiet --no-reread "$1"
				losetup -d "$1"`, loop)
			loop = h.attachLoop(m.lun(1), "--sector-size", name, "--direct-io=on", "-P")
			for i, text := range []string{"first", "second"} {
				part := h.partition(loop, i+1)
				h.sh(ext4.mkfs, part)
				h.sh(`echo "$2" >"$1"/file; umount "$1"`, h.mountFS(part, "rw"), text)
			}
			h.sh(`losetup -d "$1"`, loop)
			m.umount()
			loop = h.attachLoop(s.backing[1], "--sector-size", name, "--read-only", "-P")
			for i, want := range []string{"first\n", "second\n"} {
				part := h.partition(loop, i+1)
				h.sh(`e2fsck -fn "$1" 2>&1`, part)
				if got := h.sh(`cat "$1"/file; umount "$1"`, h.mountFS(part, "ro")); got != want {
					t.Errorf("%s has %q, want %q", part, got, want)
				}
			}
			h.sh(`losetup -d "$1"`, loop)
		})
	}
}

// partition is the device node of a partition. A kernel that was built without the
// table's format is told of the partitions by partx.
func (h *host) partition(loop string, n int) string {
	h.t.Helper()
	node := fmt.Sprintf("%sp%d", loop, n)
	if _, err := os.Stat(node); err != nil {
		h.sh(`partx --add "$1"`, loop)
	}
	return node
}

// TestLoopEngines: four loop devices of a mount at a time, of both block sizes, direct
// and through the page cache, under both kernel interfaces for asynchronous I/O; what
// fio has written is on the backing files.
func TestLoopEngines(t *testing.T) {
	needTools(t, "losetup", "fio")
	for _, engine := range []string{"libaio", "io_uring"} {
		t.Run(engine, func(t *testing.T) {
			if engine == "io_uring" {
				needIOUring(t)
			}
			h := newHost(t)
			var disks []disk
			for i := range 4 {
				disks = append(disks, disk{size: 16 * mib, blockSize: []int{512, 4096}[i%2]})
			}
			s := h.serve(nil, disks...)
			m := h.mount(s.config())
			job := fioJob{"--ioengine=" + engine, "--direct=1", "--iodepth=16", "--rw=randwrite", "--bsrange=4k-128k", "--end_fsync=1",
				"--size=48m", "--file_service_type=random", "--verify=crc32c", "--verify_fatal=1"}
			var loops, sums []string
			for i := range disks {
				flags := []string{"--sector-size", itoa(int64(disks[i].blockSize)), "--direct-io=" + []string{"on", "off"}[i/2]}
				loops = append(loops, h.attachLoop(m.lun(i+1), flags...))
			}
			h.fio(job, strings.Join(loops, ":"))
			for _, loop := range loops {
				sums = append(sums, h.sha256(loop))
				h.sh(`losetup -d "$1"`, loop)
			}
			m.umount()
			for i, sum := range sums {
				if h.sha256(s.backing[i+1]) != sum {
					t.Errorf("LUN %d is not on the target as it was on %s", i+1, loops[i])
				}
			}
		})
	}
}

// needIOUring skips where the kernel was built without io_uring or an administrator
// has turned it off (kernel.io_uring_disabled).
func needIOUring(t *testing.T) {
	t.Helper()
	var params [120]byte // struct io_uring_params
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		skip(t, "needs io_uring, which this kernel refuses: "+errno.Error())
	}
	unix.Close(int(fd))
}

// TestLoopFlush: what a loop device is asked to make durable, by a flush or by a write
// with REQ_FUA, is on the target's medium, behind a SYNCHRONIZE CACHE; nothing else
// synchronizes.
func TestLoopFlush(t *testing.T) {
	needTools(t, "losetup", "dd")
	data := bytes.Repeat([]byte("durable "), 64*kib/8)
	for name, c := range map[string]struct {
		direct, flags string
		atLeast       int
	}{
		"fsync":                  {"on", "conv=fsync", 1},
		"fsync, buffered loop":   {"off", "conv=fsync", 1},
		"REQ_FUA":                {"on", "oflag=direct,dsync", 16},
		"REQ_FUA, buffered loop": {"off", "oflag=direct,dsync", 16},
	} {
		t.Run(name, func(t *testing.T) {
			h, s, m := durable(t)
			loop := h.attachLoop(m.lun(0), "--direct-io="+c.direct)
			input := h.write("data", string(data), 0o600)
			before := len(s.Commands())
			dd, cancel := h.command("bash", "-c", `exec 3<>"$1"; dd if="$2" of="$1" bs=4k `+c.flags+` status=none`, "bash", loop, input)
			defer cancel()
			if out, err := dd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			if n, _ := volume(s.since(before), isSynchronize); n < c.atLeast {
				t.Errorf("%d SYNCHRONIZE CACHE, want %d", n, c.atLeast)
			}
			s.wantDurable(t, before)
			if got := s.medium(t, 0, 0, int64(len(data))); !bytes.Equal(got, data) {
				t.Error("it is not on the medium")
			}
			h.sh(`losetup -d "$1"`, loop)
		})
	}
}
