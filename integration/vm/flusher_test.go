package vm_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/integration/tgt"
)

// Flags of a task of the kernel (include/linux/sched.h) that PR_SET_IO_FLUSHER sets.
const (
	localThrottle = 0x00100000 // PF_LOCAL_THROTTLE
	memallocNoIO  = 0x00080000 // PF_MEMALLOC_NOIO
)

// TestIOFlusher asks the kernel for the flags of every thread of the daemon: it must
// not wait for what is written to a daemon that waits for it.
func TestIOFlusher(t *testing.T) {
	need(t)
	n := newNAS(t, 64*mib, tgt.LUN{})
	g := share(t, n.config(""))
	g.sh(mountLUNs)
	g.sh("dd if=/dev/zero of=/mnt/luns/lun1 bs=1M count=16 conv=notrunc,fsync status=none") // brings threads up
	threads := strings.Split(strings.TrimSpace(g.sh("cat /proc/$(pgrep -x iscsifs)/task/*/stat")), "\n")
	if len(threads) < 3 {
		t.Errorf("the daemon has %d threads only", len(threads))
	}
	for _, stat := range threads {
		_, after, _ := strings.Cut(stat, ") ") // proc(5): field 3 on
		fields := strings.Fields(after)
		flags, err := strconv.ParseUint(fields[9-3], 10, 64)
		if err != nil {
			t.Fatalf("%q: %v", stat, err)
		}
		if want := uint64(localThrottle | memallocNoIO); flags&want != want {
			t.Errorf("a thread has the flags %#x, want %#x among them: %s", flags, want, stat)
		}
	}
	g.sh("iscsifs umount /mnt/luns")
}
