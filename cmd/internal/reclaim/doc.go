// Package reclaim lets a daemon work on while the kernel is short of memory.
//
// With a file system on a loop device on a file of the mount, the kernel frees
// memory by writing to the daemon. If the daemon then needs memory to take what is
// written, and the kernel makes it wait for just that write, neither ever goes on.
// Three things keep that from happening, none of which every user may have:
//
//   - PR_SET_IO_FLUSHER, prctl(2): the kernel frees memory for the daemon's threads
//     without waiting for writes, and does not slow them as it slows other writers.
//   - mlockall(2): what the daemon has in memory stays there, so that it needs no
//     disk to go on.
//   - oom_score_adj, proc(5): the kernel's killer takes others first.
package reclaim
