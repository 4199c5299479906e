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
//	target.go   the states of one target; trying.go, the attempts to log in to it
//	targets.go  the list of them; paths.go, the paths of one
//	disks.go    which LUNs of a target are wanted, and opening them
//	attach.go   a disk becomes a volume and a file; names.go, its names
//	exclusive.go  persistent reservations; reserve_again.go takes lost ones again
//	flush.go    synchronize all volumes
//	stop.go     unmount, flush, log out
//	protect.go  to work on while memory is short
//	signals.go  what each signal does
//	control.go  what the control socket answers
//	report.go   status; trouble.go, what ails a LUN
//
// What a user changes while it is mounted:
//
//	login.go    opens sessions; logout.go closes them; choose.go, which
//	kept.go     LUNs that were logged out by force with data in memory
//	socket.go   where the disk of a LUN is plugged in, and another later
//	reload.go   the configuration is read again; alter.go, one target's settings
//	find.go     what a portal offers; found.go makes targets of it
//
// What a target changes while it is mounted:
//
//	watch.go    heeds what the initiator tells
//	rescan.go   looks for what is new, gone, or of another size
//	lunset.go   adds LUNs to a mount and takes them away
//	follow.go   tells what has changed of a LUN, and the kernel of its size
//	shrink.go   a LUN that has become smaller
//	gate.go     a LUN whose write protection ends
package daemon
