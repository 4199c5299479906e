package reclaim

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// lock locks all memory of the process, that to come included, or else the cache.
//
// A page is locked when it is first used (MCL_ONFAULT), so that locking takes none that
// would not be taken anyway, and the Go runtime gives back what it frees: refused
// MADV_DONTNEED on locked memory, it maps the place anew. But a limit on locked memory
// counts all that is reserved, of which a Go program has ten times as much as it uses,
// and the program ends when an allocation exceeds it. So all is locked only where no
// limit holds.
func (p *Protection) lock(lockCache func() error) (gap string) {
	p.Locked = All
	err := unix.Mlockall(unix.MCL_CURRENT | unix.MCL_FUTURE | unix.MCL_ONFAULT)
	if err == nil && unlimited() {
		return ""
	}
	if err == nil {
		_ = unix.Munlockall() // fails for none of its documented reasons
	}
	p.Locked = Cache
	if err = lockCache(); err == nil {
		return "only the cache is locked in memory (all of it needs CAP_IPC_LOCK or an unlimited RLIMIT_MEMLOCK): " +
			"with swap, a file system on a loop device is slow when memory is short"
	}
	p.Locked = None
	return fmt.Sprintf("the cache may be swapped out (%v; needs CAP_IPC_LOCK, or RLIMIT_MEMLOCK above the size of the cache): "+
		"with swap, a file system on a loop device is slow when memory is short", err)
}

// unlimited tells whether this process, all of which is locked, is beyond the limit on
// locked memory or has none: then it never meets it.
func unlimited() bool {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return false
	}
	status, err := os.ReadFile("/proc/self/status")
	return err == nil && (limit.Cur == unix.RLIM_INFINITY || lockedBytes(string(status)) > limit.Cur)
}

// lockedBytes reads VmLck of a /proc/PID/status; 0 if it has none.
func lockedBytes(status string) uint64 {
	var kibs uint64
	if _, line, found := strings.Cut(status, "\nVmLck:"); found {
		_, _ = fmt.Sscan(line, &kibs) // stays 0
	}
	return kibs << 10
}
