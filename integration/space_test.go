package integration

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/integration/target"
)

// thinTargets are targets with one thin LUN; each returns its mount, the LUN's file, and
// how many bytes of it are allocated at the target.
var thinTargets = map[string]func(h *host, size int64) (*mounted, string, func() int64){
	"scripted": func(h *host, size int64) (*mounted, string, func() int64) {
		s := h.script(target.NewMemoryLUN(size, 512, target.Thin(), target.WriteCache()))
		m := h.mount(s.config(smallCache))
		return m, m.lun(0), s.luns[0].Allocated
	},
	"tgt": func(h *host, size int64) (*mounted, string, func() int64) {
		s := h.serve(nil, disk{size: size, params: map[string]string{"thin_provisioning": "1"}})
		m := h.mount(s.config())
		return m, m.lun(1), func() int64 { return h.usage(s.backing[1]) }
	},
}

// usage is how much room a file takes, in bytes.
func (h *host) usage(path string) int64 {
	h.t.Helper()
	var n int64
	if _, err := fmt.Sscan(h.sh(`du -B1 "$1"`, path), &n); err != nil {
		h.t.Fatal(err)
	}
	return n
}

// TestTrim: what a file system on a loop device has no use for any more is free at the
// target, and the file system whole.
func TestTrim(t *testing.T) {
	needRoot(t)
	needTools(t, "losetup", "mkfs.ext4", "fstrim")
	for name, serve := range thinTargets {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			m, lun, allocated := serve(h, 128*mib)
			loop := h.attachLoop(lun)
			h.sh(ext4.mkfs, loop)
			point := h.mountFS(loop, "rw")
			h.sh(`echo kept > "$1/kept"; head -c 40M /dev/urandom > "$1/file"; sync "$1/file"`, point)
			full := allocated()
			h.sh(`rm "$1/file"; sync -f "$1"; fstrim "$1"`, point)
			if now := allocated(); full < 40*mib || now > full-38*mib {
				t.Errorf("%d KiB are allocated, and %d after fstrim", full/kib, now/kib)
			}
			h.sh(`umount "$1"; losetup -d "$2"`, point, loop)
			h.sh(ext4.check, lun)
			point = h.mountFS(lun, ext4.options)
			h.sh(`[[ $(cat "$1/kept") == kept ]]; umount "$1"`, point)
			m.umount()
		})
	}
}

// TestTrimOfCoarseUnits: where the target frees in units of 1 MiB, fstrim leaves alone what
// is free in smaller pieces: zeroes would be written there, and take room.
func TestTrimOfCoarseUnits(t *testing.T) {
	needRoot(t)
	needTools(t, "losetup", "mkfs.ext4", "fstrim")
	h := newHost(t)
	coarse := func(l *target.LUN) { l.Limits.UnmapGranularity = mib / 512 }
	s := h.script(target.NewMemoryLUN(128*mib, 512, target.Thin(), coarse))
	m := h.mount(s.config(smallCache))
	loop := h.attachLoop(m.lun(0))
	if got := h.sh(`lsblk -dnbo DISC-GRAN "$1"`, loop); strings.TrimSpace(got) != itoa(mib) {
		t.Errorf("discard_granularity is %s", got)
	}
	h.sh(ext4.mkfs, loop)
	point := h.mountFS(loop, "rw")
	h.sh(`for i in {1..200}; do head -c 64K /dev/urandom > "$1/$i"; done; sync -f "$1"; rm "$1"/*[13579]; sync -f "$1"`, point)
	full, before := s.luns[0].Allocated(), s.Counters()
	h.sh(`rm -r "$1/lost+found"; fstrim "$1"; sync -f "$1"; umount "$1"; losetup -d "$2"`, point, loop)
	m.umount()
	after := s.Counters()
	if n := after.BytesIn - before.BytesIn; n > 4*mib {
		t.Errorf("%d KiB were written", n/kib)
	}
	if now := s.luns[0].Allocated(); now > full {
		t.Errorf("%d KiB were allocated, and %d after fstrim", full/kib, now/kib)
	}
}

// TestBlkdiscard: both of its ways leave zeroes, and one of them room.
func TestBlkdiscard(t *testing.T) {
	needRoot(t)
	needTools(t, "losetup", "blkdiscard")
	for name, serve := range thinTargets {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			_, lun, allocated := serve(h, 16*mib)
			h.sh(`head -c 16M /dev/urandom | dd of="$1" conv=notrunc,fsync iflag=fullblock bs=1M status=none`, lun)
			full := allocated()
			loop := h.attachLoop(lun)
			wantZeroes := func(off, n int64) {
				t.Helper()
				h.sh(`dd if="$1" bs=1M iflag=skip_bytes,count_bytes skip="$2" count="$3" status=none | cmp -n "$3" - /dev/zero; [[ $(dd if="$1" bs=1M status=none | tr -d '\0' | wc -c) != 0 ]]`, lun, itoa(off), itoa(n))
			}
			h.sh(`blkdiscard -z -o 1M -l 4M "$1"`, loop)
			wantZeroes(mib, 4*mib)
			h.sh(`blkdiscard -o 6M -l 8M "$1"`, loop)
			wantZeroes(6*mib, 8*mib)
			if now := allocated(); full < 16*mib || now > full-8*mib {
				t.Errorf("%d KiB are allocated, and %d after blkdiscard", full/kib, now/kib)
			}
			h.sh(`losetup -d "$1"`, loop)
		})
	}
}

// TestCopiesOfSparse: qemu-img sees the holes of a LUN, and it and cp make some. (cp
// looks for none in a file of which st_blocks says that it is full.)
func TestCopiesOfSparse(t *testing.T) {
	needRoot(t)
	needTools(t, "qemu-img", "fallocate")
	for name, serve := range thinTargets {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			_, lun, allocated := serve(h, 32*mib)
			h.sh(`blocks=$(($(stat -c %s "$1") / 512)); fallocate -p -l $((blocks * 512)) "$1"
				for at in 3 11 12 20; do head -c 1M /dev/urandom | dd of="$1" bs=1M iflag=fullblock seek=$at conv=notrunc status=none; done`, lun)
			if n := allocated(); n > 5*mib {
				t.Errorf("%d KiB are allocated of a LUN with 4 MiB in it", n/kib)
			}
			extents := h.sh(`qemu-img map -f raw --output=json "$1"`, lun)
			if data := strings.Count(extents, `"data": true`); data != 3 || strings.Count(extents, `"data": false`) != 4 {
				t.Errorf("qemu-img map finds\n%s", extents)
			}
			copied := h.path("copy")
			h.sh(`cp --sparse=always "$1" "$2"; dd if="$1" bs=1M status=none | cmp - "$2"`, lun, copied)
			if n := h.usage(copied); n > 5*mib {
				t.Errorf("the copy takes %d KiB", n/kib)
			}
			h.sh(`qemu-img convert -f raw -O qcow2 "$1" "$2.qcow2"; qemu-img compare -f raw -F qcow2 "$1" "$2.qcow2"`, lun, copied)
			if n := h.usage(copied + ".qcow2"); n > 6*mib {
				t.Errorf("the qcow2 image takes %d KiB", n/kib)
			}
			for _, back := range []string{`qemu-img convert -n -f qcow2 -O raw "$2.qcow2" "$1"`, `cp --sparse=always "$2" "$1"`, `cp "$2" "$1"`} {
				h.sh(`head -c $(stat -c %s "$1") /dev/zero | tr '\0' x | dd of="$1" bs=1M conv=notrunc,fsync iflag=fullblock status=none`, lun)
				full := allocated()
				h.sh(back+`; dd if="$1" bs=1M status=none | cmp - "$2"`, lun, copied)
				if now := allocated(); full < 32*mib || now > 6*mib {
					t.Errorf("%s: %d KiB are allocated, and then %d", back, full/kib, now/kib)
				}
			}
		})
	}
}

// TestMkfsOfLargeLUN: what a target says it cannot free is not filled with zeroes by who
// asks whether it can: of a LUN of 64 GiB little is moved, and of one that can, less.
func TestMkfsOfLargeLUN(t *testing.T) {
	needRoot(t)
	needTools(t, "losetup", "mkfs.ext4")
	for name, c := range map[string]struct {
		option target.Option
		loop   bool
		frees  bool
		most   int64 // bytes moved
	}{
		"LBPRZ, loop":    {target.Thin(), true, true, gib / 8},
		"no LBPRZ, loop": {target.ThinUndefined(), true, false, gib}, // loop writes what is to be zero where it cannot discard
		"no LBPRZ, file": {target.ThinUndefined(), false, false, gib / 8},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			s := h.script(target.NewMemoryLUN(64*gib, 512, c.option))
			m := h.mount(s.config(""))
			device := m.lun(0)
			if c.loop {
				device = h.attachLoop(device)
			}
			h.sh(ext4.mkfs, device)
			if c.loop {
				h.sh(`losetup -d "$1"`, device)
			}
			if moved := s.Counters().BytesIn + s.Counters().BytesOut; moved >= c.most {
				t.Errorf("%d MiB were moved", moved/mib)
			}
			h.sh(ext4.check, m.lun(0))
			var freed uint64
			for _, command := range s.Commands() {
				if isUnmapSame(command) {
					freed += command.Blocks * 512
				} else if command.Opcode == target.OpUnmap {
					t.Error("UNMAP though WRITE SAME would do")
				}
			}
			if c.frees != (freed > 60*gib) || !c.frees && freed != 0 {
				t.Errorf("%d MiB were freed", freed/mib)
			}
			m.umount()
		})
	}
}

// isUnmapSame tells of a WRITE SAME whether it frees.
func isUnmapSame(c target.Command) bool {
	return (c.Opcode == target.OpWriteSame10 || c.Opcode == target.OpWriteSame16) && c.CDB[1]&8 != 0
}

// TestFallocateAtTheTarget: what fallocate(1) asks for is durable with the fsync behind
// it, and takes no data to the target.
func TestFallocateAtTheTarget(t *testing.T) {
	needRoot(t)
	needTools(t, "fallocate")
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512, target.Thin(), target.WriteCache()))
	if _, err := s.luns[0].WriteAt(bytes.Repeat([]byte{0xff}, smallDisk), 0); err != nil {
		t.Fatal(err)
	}
	m := h.mount(s.config("flush_interval = \"1h\""))
	for i, option := range []string{"--zero-range", "--zero-range --keep-size", "--punch-hole"} {
		off := int64(i) * mib
		before, sent := len(s.Commands()), s.Counters().BytesIn
		h.sh(`fallocate `+option+` -o "$2" -l 1M "$1"`, m.lun(0), itoa(off)) // closes, and so synchronizes
		if n := s.Counters().BytesIn - sent; n > 64*kib {
			t.Errorf("%s: %d bytes were sent", option, n)
		}
		if n, _ := volume(s.since(before), isSynchronize); n != 1 {
			t.Errorf("%s: %d synchronizations", option, n)
		}
		if err := s.luns[0].PowerCut(); err != nil {
			t.Fatal(err)
		}
		want := append(make([]byte, mib), bytes.Repeat([]byte{0xff}, mib)...)
		if !bytes.Equal(s.medium(t, 0, off, 2*mib), want) {
			t.Errorf("%s: the medium holds something else", option)
		}
	}
	for option, why := range map[string]string{"--collapse-range": "not supported", "-l 4k": "not supported", "--posix": ""} {
		r := h.run("bash", "-c", `fallocate `+option+` -o 0 -l 4096 "$1"`, "bash", m.lun(0))
		if (r.code == 0) != (why == "") || !strings.Contains(r.stderr, why) {
			t.Errorf("fallocate %s: exit code %d, %s", option, r.code, r.stderr)
		}
	}
}
