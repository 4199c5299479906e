package integration

import "testing"

// verified is a load whose every block tells what it must hold; four jobs share
// 32 MiB, which are four times the cache.
var verified = fioJob{"--verify=crc32c", "--verify_fatal=1", "--size=8m", "--offset_increment=8m", "--numjobs=4"}

// The ways in which programs write: in any sizes at any offset without the page
// cache, and in pieces of pages one after the other with fsync now and then.
var verifiedLoads = map[string]fioJob{
	"libaio": {"--ioengine=libaio", "--iodepth=16", "--direct=1", "--rw=randwrite", "--bsrange=512-96k", "--bs_unaligned=1", "--norandommap=1", "--serialize_overlap=1"},
	"psync":  {"--ioengine=psync", "--rw=randwrite", "--bsrange=4k-64k", "--fsync=100"},
}

const smallCache = "size = \"8MiB\"\n"

// TestVerifyFile: fio finds in the mounted file what it wrote there, and after
// umount in the file behind the target.
func TestVerifyFile(t *testing.T) {
	needTools(t, "fio")
	for _, c := range []struct{ mode, load string }{
		{"writeback", "libaio"}, {"writeback", "psync"}, {"writethrough", "libaio"}, {"none", "libaio"},
	} {
		t.Run(c.mode+"/"+c.load, func(t *testing.T) {
			h := newHost(t)
			s := h.serve(nil, disk{size: 32 * mib})
			config := s.config()
			config.tables = "[cache]\n" + smallCache + "mode = \"" + c.mode + "\""
			m := h.mount(config)
			job := append(verifiedLoads[c.load], verified...)
			h.fio(job, m.lun(1))
			m.umount()
			h.fio(job, s.backing[1], "--verify_only=1", "--direct=0") // no file of another kind takes O_DIRECT of any size
		})
	}
}

// TestVerifyExt4 does the same to files of a file system on a loop device.
func TestVerifyExt4(t *testing.T) {
	needTools(t, "fio", "losetup", "mkfs.ext4")
	for _, mode := range []string{"writeback", "writethrough", "none"} {
		t.Run(mode, func(t *testing.T) {
			h := newHost(t)
			s := h.serve(nil, disk{size: 64 * mib})
			c := s.config()
			c.tables = "[cache]\n" + smallCache + "mode = \"" + mode + "\""
			m := h.mount(c)
			loop := h.attachLoop(m.lun(1), "--direct-io=on")
			h.sh(ext4.mkfs, loop)
			point := h.mountFS(loop, "rw")
			job := append(verifiedLoads["psync"], verified...)
			h.fio(job, point+"/file")
			h.sh(`umount "$1"; losetup -d "$2"`, point, loop)
			m.umount()
			h.sh(ext4.check, s.backing[1])
			point = h.mountFS(s.backing[1], "loop") // fio opens for writing what it only verifies
			h.fio(job, point+"/file", "--verify_only=1")
			h.sh(`umount "$1"`, point)
		})
	}
}
