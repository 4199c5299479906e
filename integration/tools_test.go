package integration

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
)

// url is where another initiator, libiscsi, finds a LUN; its tools and qemu's block
// driver take it.
func (s *served) url(lun int) string {
	return fmt.Sprintf("iscsi://%s/%s/%d", s.portal, s.IQN, lun)
}

// fetched is a copy of LUN 1 that another initiator reads from the target.
func (h *host) fetched(s *served) string {
	h.t.Helper()
	h.sh(`qemu-img convert -f raw -O raw "$1" "$2"`, s.url(1), h.path("fetched"))
	return h.path("fetched")
}

// wantOnTarget checks that another initiator reads from LUN 1 what a file has.
func (h *host) wantOnTarget(s *served, file string) {
	h.t.Helper()
	if r := h.run("qemu-img", "compare", "-s", "-f", "raw", "-F", "raw", file, s.url(1)); r.code != 0 {
		h.t.Errorf("another initiator reads from the LUN other bytes than %s has: %s%s", file, r.stdout, r.stderr)
	}
}

// toolsLUN is a mount for one tool; at the end another initiator must read from the
// target what the file has.
func toolsLUN(t *testing.T, size int64, tools ...string) (*host, *served, *mounted) {
	t.Helper()
	needRoot(t)
	needTools(t, append(tools, "qemu-img")...)
	h := newHost(t)
	s := h.serve(nil, disk{size: size})
	m := h.mount(s.config())
	t.Cleanup(func() { h.wantOnTarget(s, m.lun(1)) }) // before the unmount
	return h, s, m
}

// qemu-img writes an image to a LUN (-n) and reads one from it; it cannot resize one.
func TestToolQemuImg(t *testing.T) {
	h, s, m := toolsLUN(t, 32*mib)
	image := h.noiseFile("image", 32*mib)
	h.sh(`qemu-img convert -f raw -O qcow2 "$1" image.qcow2
		qemu-img convert -n -f qcow2 -O raw image.qcow2 "$2"
		qemu-img convert -n -t none -T none -f qcow2 -O raw image.qcow2 "$2"
		qemu-img convert -f raw -O qcow2 "$2" back.qcow2
		qemu-img compare -f qcow2 -F raw back.qcow2 "$1"`, image, m.lun(1))
	h.wantOnTarget(s, image)
	for _, size := range []string{"+1M", "16M"} {
		if r := h.run("qemu-img", "resize", "--shrink", "-f", "raw", m.lun(1), size); r.code == 0 || !strings.Contains(r.stderr, "Invalid argument") {
			t.Errorf("qemu-img resize %s: exit code %d, %s", size, r.code, r.stderr)
		}
	}
	h.wantOnTarget(s, image)
}

// qemu-nbd serves a LUN to others, with each of its ways to do I/O.
func TestToolQemuNBD(t *testing.T) {
	for i, aio := range []string{"threads", "native", "io_uring"} {
		t.Run(aio, func(t *testing.T) {
			if aio == "io_uring" {
				needIOUring(t)
			}
			h, s, m := toolsLUN(t, 16*mib, "qemu-nbd", "qemu-io")
			h.sh(`qemu-nbd --fork --persistent --pid-file=nbd.pid --socket="$1" --format=raw --cache=none --aio="$2" "$3"
				trap 'kill "$(cat nbd.pid)"' EXIT
				for part in "-P $4 1M 3M" "-z 2M 64k" "-P $4 4099k 5k"; do
					qemu-io -f raw "nbd+unix:///?socket=$1" -c "write $part" >/dev/null
				done
				qemu-io -f raw "nbd+unix:///?socket=$1" -c flush -c "read -P $4 4099k 5k" | tee read >/dev/null
				! grep -i fail read
				qemu-img compare -f raw -F raw "nbd+unix:///?socket=$1" "$3"`, h.path("nbd"), aio, m.lun(1), itoa(int64(i+0x51)))
			got, err := os.ReadFile(h.fetched(s))
			if err != nil {
				t.Fatal(err)
			}
			mark := byte(i + 0x51)
			want := bytes.Repeat([]byte{mark}, 3*mib)
			clear(want[mib : mib+64*kib])
			if !bytes.Equal(got[mib:4*mib], want) || !bytes.Equal(got[4099*kib:4104*kib], bytes.Repeat([]byte{mark}, 5*kib)) {
				t.Error("another initiator does not read what was written through NBD")
			}
			h.sh(`while kill -0 "$(cat nbd.pid)" 2>/dev/null; do sleep 0.05; done`)
		})
	}
}

// bootSector is a program for a PC's first sector. It reads the second sector, writes
// it to the third, prints it, up to a byte 0, to the first serial line, and ends QEMU by
// the port of its isa-debug-exit, with the exit code 33, or 35 where the BIOS says that
// reading or writing has failed.
var bootSector = append(append([]byte{
	0x31, 0xC0, // xor ax, ax
	0x8E, 0xD8, // mov ds, ax
	0x8E, 0xC0, // mov es, ax
	0x8E, 0xD0, // mov ss, ax
	0xBC, 0x00, 0x7C, // mov sp, 7C00h
	0xB8, 0x01, 0x02, // mov ax, 0201h: read one sector
	0xB9, 0x02, 0x00, // mov cx, 0002h: cylinder 0, sector 2
	0xBA, 0x80, 0x00, // mov dx, 0080h: head 0 of the first disk
	0xBB, 0x00, 0x7E, // mov bx, 7E00h
	0xCD, 0x13, // int 13h
	0x72, 0x25, // jc failed
	0xB8, 0x01, 0x03, // mov ax, 0301h: write one sector
	0xB9, 0x03, 0x00, // mov cx, 0003h
	0xBA, 0x80, 0x00, // mov dx, 0080h
	0xBB, 0x00, 0x7E, // mov bx, 7E00h
	0xCD, 0x13, // int 13h
	0x72, 0x15, // jc failed
	0xBE, 0x00, 0x7E, // mov si, 7E00h
	0xBA, 0xF8, 0x03, // mov dx, 3F8h
	0xAC,       // next: lodsb
	0x84, 0xC0, // test al, al
	0x74, 0x03, // jz done
	0xEE,       // out dx, al
	0xEB, 0xF8, // jmp next
	0xB0, 0x10, // done: mov al, 10h
	0xE6, 0xF4, // out 0F4h, al
	0xF4,       // hlt
	0xEB, 0xFD, // jmp $-1
	0xB0, 0x11, // failed: mov al, 11h
	0xE6, 0xF4, // out 0F4h, al
	0xF4,       // hlt
	0xEB, 0xFD, // jmp $-1
}, make([]byte, 510-71)...), 0x55, 0xAA)

// A virtual machine boots from a LUN's file, reads it and writes to it.
func TestToolQemuGuest(t *testing.T) {
	h, s, m := toolsLUN(t, 16*mib, "qemu-system-x86_64")
	message := []byte("booted from a LUN\n")
	h.write("boot", string(bootSector)+string(append(message, make([]byte, 512-len(message))...)), 0o600)
	for _, cache := range []string{"cache=writeback,aio=threads", "cache=none,aio=native"} {
		h.sh(`dd if=/dev/urandom of="$1" bs=512 count=4 conv=notrunc status=none
			dd if=../boot of="$1" conv=notrunc status=none`, m.lun(1))
		r := h.run("qemu-system-x86_64", "-accel", "tcg", "-m", "32", "-display", "none", "-nodefaults", "-no-reboot", "-serial", "file:serial",
			"-device", "isa-debug-exit,iobase=0xf4,iosize=4", "-drive", "format=raw,if=ide,"+cache+",file="+m.lun(1))
		if r.code != 33 {
			t.Errorf("%s: exit code %d, want 33\n%s", cache, r.code, r.stderr)
		}
		if serial := h.sh(`cat serial`); serial != string(message) {
			t.Errorf("%s: the serial line has %q", cache, serial)
		}
		got, err := os.ReadFile(h.fetched(s))
		if err != nil || !bytes.Equal(got[:512], bootSector) || !bytes.HasPrefix(got[1024:], message) {
			t.Errorf("%s: another initiator does not read what the guest wrote: %v", cache, err)
		}
	}
}

// parted and sfdisk partition a LUN's file; each reads what the other wrote.
func TestToolPartitions(t *testing.T) {
	h, s, m := toolsLUN(t, 64*mib, "parted", "sfdisk")
	h.sh(`parted --script "$1" mklabel gpt mkpart one 1MiB 20MiB mkpart two 20MiB 100% 2>/dev/null`, m.lun(1))
	parts := h.sh(`sfdisk --dump "$1" | grep -c start=`, m.lun(1))
	theirs := h.sh(`sfdisk --dump "$1" | grep -c start=; sfdisk --verify "$1"`, h.fetched(s))
	if parts != "2\n" || !strings.HasPrefix(theirs, "2\n") {
		t.Errorf("%s partitions in the file, another initiator reads %s", parts, theirs)
	}
	h.sh(`printf 'label: dos\nsize=8MiB, type=83\nsize=8MiB, type=8e\nsize=8MiB, type=82\n' | sfdisk --quiet --wipe=always "$1"`, m.lun(1))
	if got := h.sh(`parted --script --machine "$1" unit B print | grep -c '^[0-9]:'`, h.fetched(s)); got != "3\n" {
		t.Errorf("parted reads %s partitions, want 3", got)
	}
}

// mkfs.btrfs makes a file system with files on a LUN's file; btrfs check has nothing to
// say about what another initiator reads, and the kernel mounts it.
func TestToolBtrfs(t *testing.T) {
	h, s, m := toolsLUN(t, 128*mib, "mkfs.btrfs", "btrfs", "losetup")
	tree := h.goTree("src/bufio")
	h.sh(`mkfs.btrfs --quiet --force --rootdir "$1" "$2"; btrfs check --readonly "$2" 2>&1`, tree, m.lun(1))
	loop := h.attachLoop(m.lun(1), "--direct-io=on")
	h.sh(`echo written >"$1"/more; umount "$1"; losetup -d "$2"`, h.mountFS(loop, "rw"), loop)
	copied := h.fetched(s)
	h.sh(`btrfs check --readonly "$1" 2>&1`, copied)
	point := h.mountFS(copied, "ro,loop")
	h.sh(`[ "$(cat "$1"/more)" = written ]; diff -r --exclude=more "$2" "$1"; umount "$1"`, point, tree)
}

// e2fsck repairs a file system in a LUN's file.
func TestToolE2fsck(t *testing.T) {
	h, s, m := toolsLUN(t, 32*mib, "mkfs.ext4", "e2fsck", "debugfs")
	h.sh(`mkfs.ext4 -q -F "$1"
		echo "a line" >line
		debugfs -w -R "write line line" "$1" 2>/dev/null
		debugfs -w -R "set_inode_field line links_count 7" "$1" 2>/dev/null`, m.lun(1))
	if r := h.run("e2fsck", "-fy", m.lun(1)); r.code != 1 { // errors corrected
		t.Errorf("e2fsck: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	h.sh(`e2fsck -fn "$1" 2>&1; [ "$(debugfs -R "cat line" "$1" 2>/dev/null)" = "a line" ]`, h.fetched(s))
}

// rsync --inplace brings a LUN to what an image has, all of it or the parts that differ.
// It cannot set another mode, nor cut the LUN to a shorter image.
func TestToolRsync(t *testing.T) {
	h, s, m := toolsLUN(t, 16*mib, "rsync")
	image := h.noiseFile("lun1", 16*mib)
	h.sh(`rsync --inplace --ignore-times "$1" "$2"`, image, m.lun(1)) // written in the same second, and of one size
	h.wantOnTarget(s, image)
	h.sh(`printf changed | dd of="$1" bs=1 seek=5000000 conv=notrunc status=none
		rsync --archive --no-perms --no-owner --no-group --inplace --no-whole-file --checksum "$1" "$2"/`, image, m.point)
	h.wantOnTarget(s, image)
	h.sh(`chmod 0640 "$1"; printf again | dd of="$1" bs=1 seek=6000000 conv=notrunc status=none`, image)
	if r := h.run("rsync", "--archive", "--inplace", "--ignore-times", image, m.lun(1)); r.code != 23 || !strings.Contains(r.stderr, "permissions") {
		t.Errorf("rsync --archive: exit code %d, %s", r.code, r.stderr)
	}
	h.wantOnTarget(s, image)
	h.sh(`head -c 1M /dev/zero >short`)
	if r := h.run("rsync", "--inplace", "--ignore-times", "short", m.lun(1)); r.code != 23 || !strings.Contains(r.stderr, "ftruncate") {
		t.Errorf("rsync of a shorter image: exit code %d, %s", r.code, r.stderr)
	}
	if r := h.run("rsync", "--ignore-times", image, m.lun(1)); r.code == 0 || !strings.Contains(r.stderr, "Operation not permitted") {
		t.Errorf("rsync without --inplace: exit code %d, %s", r.code, r.stderr)
	}
}

// TestToolDD does the same with a LUN's file as with a plain file: dd's flags mean
// the same, but that a LUN does not grow or shrink.
func TestToolDD(t *testing.T) {
	h, s, m := toolsLUN(t, 8*mib, "dd")
	source := h.noiseFile("source", 3*mib+513)
	h.sh(`cp "$1" "$2"`, m.lun(1), h.path("model"))
	for _, flags := range []string{
		"bs=64k oflag=direct conv=notrunc count=16",
		"bs=512 oflag=direct conv=notrunc count=64 seek=3",
		"bs=4k oflag=dsync conv=notrunc count=32 seek=100",
		"bs=4k oflag=sync conv=notrunc count=32 seek=200",
		"bs=1M oflag=nocache conv=notrunc",
		"bs=1M oflag=nonblock,noatime,nofollow,noctty conv=notrunc",
		"bs=4k oflag=seek_bytes seek=12345 conv=notrunc",
		"bs=4k iflag=skip_bytes,count_bytes skip=777 count=100001 conv=notrunc seek=2",
		"bs=4k iflag=fullblock,nocache conv=notrunc,fsync",
		"bs=100001 conv=notrunc,fdatasync seek=11",
		"ibs=777 obs=3k conv=notrunc,swab",
		"ibs=5000 obs=4k conv=notrunc,sync,noerror",
		"bs=4k conv=notrunc,nocreat,ucase",
		"cbs=80 conv=notrunc,block",
	} {
		for _, file := range []string{m.lun(1), h.path("model")} {
			h.sh(`dd if="$1" of="$2" status=none $3`, source, file, flags)
		}
		if r := h.run("cmp", h.path("model"), m.lun(1)); r.code != 0 {
			t.Fatalf("dd %s: %s%s", flags, r.stdout, r.stderr)
		}
	}
	h.sh(`head -c 8M /dev/zero >sparse; dd if="$1" of=sparse bs=64k seek=3 conv=notrunc status=none
		for file in "$2" "$3"; do dd if=sparse of="$file" bs=64k conv=sparse,notrunc status=none; done`, source, m.lun(1), h.path("model"))
	h.wantOnTarget(s, h.path("model"))
	h.sh(`dd if="$1" bs=64k iflag=direct status=none | cmp - "$2"
		dd if="$1" bs=1000 iflag=skip_bytes,count_bytes,nocache skip=12345 count=3000001 status=none | cmp - <(tail -c +12346 "$2" | head -c 3000001)`,
		m.lun(1), h.path("model"))
	wantDDRefused(h, source, m.lun(1))
	h.wantOnTarget(s, h.path("model"))
	h.sh(`dd if="$1" of="$2" bs=1M seek=5 conv=notrunc status=none count=3`, source, h.path("model"))
	r := h.run("dd", "if="+source, "of="+m.lun(1), "bs=1M", "seek=5", "conv=notrunc", "status=none")
	if r.code != 1 || !strings.Contains(r.stderr, "No space left") {
		t.Errorf("dd past the end: exit code %d, %s", r.code, r.stderr)
	}
	h.wantOnTarget(s, h.path("model"))
}

// wantDDRefused: dd can do nothing that makes a LUN longer or shorter, or another file.
// Without notrunc it says that it cannot cut the file before what it writes, and writes.
func wantDDRefused(h *host, source, lun string) {
	h.t.Helper()
	for _, c := range []struct {
		flags, want string
		code        int
	}{
		{"oflag=append conv=notrunc", "No space left", 1}, // it writes at the end
		{"conv=excl", "File exists", 1},
		{"bs=1M seek=1 count=0", "Invalid argument", 0},
	} {
		r := h.run("bash", "-c", `dd if="$1" of="$2" status=none $3`, "bash", source, lun, c.flags)
		if r.code != c.code || !strings.Contains(r.stderr, c.want) {
			h.t.Errorf("dd %s: exit code %d, %s, want %q", c.flags, r.code, r.stderr, c.want)
		}
	}
}

// TestToolFio: what fio wrote by each interface of the kernel is what another
// initiator reads.
func TestToolFio(t *testing.T) {
	for _, engine := range []string{"psync", "libaio", "io_uring", "mmap"} {
		t.Run(engine, func(t *testing.T) {
			if engine == "io_uring" {
				needIOUring(t)
			}
			h, s, m := toolsLUN(t, 16*mib, "fio")
			job := fioJob{"--ioengine=" + engine, "--iodepth=16", "--rw=randwrite", "--bsrange=4k-64k", "--size=16m", "--fsync=64",
				"--verify=crc32c", "--verify_fatal=1"}
			h.fio(job, m.lun(1))
			h.fio(job, h.fetched(s), "--verify_only=1")
		})
	}
}
