// Package daemon ties configuration, sessions, volumes and files together and
// lives as long as the mount.
//
// [Start] logs in to the targets, opens their disks, puts a file for each into
// the tree and mounts it; [Daemon.Serve] keeps it until the end. What asks for
// the end comes through [Daemon.Unmount] (a command, by the control socket), by
// [Daemon.Terminate] (a signal), or from outside (umount(8) without our helper);
// all three flush every byte before the session is logged out.
//
//	state.go    the states of the daemon and the one place that changes them
//	start.go    from nothing to files, and back if that fails
//	target.go   one target: its session and the attempts to get one
//	disks.go    which LUNs of a target are wanted, and opening them
//	attach.go   a disk becomes a volume and a file; names.go, its names
//	flush.go    synchronize all volumes
//	stop.go     unmount, flush, log out
//	signals.go  what each signal does
//	control.go  what the control socket answers
//	report.go   status
package daemon
