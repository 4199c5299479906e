// Package holders finds what keeps the files of a mount in use, so that a refused
// unmount can say what is to be done, in an order in which it works: processes,
// bind mounts, loop devices and all that stands on them, by way of partitions,
// volume groups, LUKS and RAID, down to mounted file systems and swap.
//
// A process that uses a file system on one of those devices counts too: it keeps it from
// being unmounted.
//
// It asks the kernel only, in /proc and /sys, and never the mount: a process's
// descriptors are told by the mount id that /proc/PID/fdinfo shows, the backing file
// of a loop device by its path in sysfs. So it works while the target is dead. The
// memory map of a process can be out of reach, for a process that waits for the
// dead target itself; it gets a moment, then it is passed over with a [Note].
//
// Names of processes and volumes are chosen by others; they come cleaned of what a
// terminal would act on.
package holders
