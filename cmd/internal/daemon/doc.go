// Package daemon ties configuration, sessions, volumes and files together and
// lives as long as the mount.
//
// [Start] logs in to the targets, opens their disks, puts a file for each into
// the tree and mounts it; [Daemon.Serve] keeps it until the end. What asks for
// the end comes through [Daemon.Unmount] (a command, by the control socket), by
// [Daemon.Terminate] (a signal), or from outside (umount(8) without our helper);
// all three flush every byte before the session is logged out.
//
// From the start to the end:
//
//	daemon.go state.go    the daemon; its states, and the one place that changes them
//	start.go logins.go    from nothing to files, and back if that fails
//	mountpoint.go mounted.go  what is mounted on, and the mounted tree
//	serve.go signals.go control.go  who asks for what; inuse.go search.go, who is in the way
//	flush.go stop.go      synchronize all volumes; unmount, flush, log out
//	protect.go            to work on while memory is short
//	report.go report_session.go trouble.go metrics.go  what it tells; classify.go, exit codes
//
// Targets. Who opens or closes the sessions of one holds its turn:
//
//	target.go targets.go  the states of one, and the list of them
//	trying.go             attempts to log in; session.go, sessionconfig.go, to what
//	paths.go shared_unit.go  several sessions, or several targets, with one unit
//	find.go found.go      what a portal offers, and the targets that this makes
//	locks.go              what no other daemon of this host may use
//
// LUNs:
//
//	disks.go together.go  which of a target are wanted, and opening them
//	attach.go lun.go names.go  a disk becomes a volume and a file
//	volume.go socket.go   what lies over the disk, and where it is plugged in
//	predecessor.go        what a killed daemon left under way
//	exclusive.go reserve_again.go  persistent reservations
//
// What a user changes while it is mounted. A target that is logged out by hand is out,
// where nobody but login.go looks for it:
//
//	login.go logout.go choose.go  opens and closes sessions, and which
//	kept.go               LUNs that were logged out by force with data in memory
//	reload.go alter.go    the configuration is read again; one target's settings
//	changes.go            what is told of it
//
// What a target changes while it is mounted. One that is starting up announces nonsense, so
// what no user asked for is removed only when it was away for long, or was there in the same
// login:
//
//	watch.go              heeds what the initiator tells
//	rescan.go lunset.go   looks for what is new, gone, or of another size, and does it
//	follow.go             tells what has changed of a LUN, and the kernel of its size: a child
//	                      process asks for it, as a daemon must not wait for its own mount
//	shrink.go gate.go     a LUN that has become smaller, or whose write protection ends
//
// Passwords are in the configuration and in the login alone, and mask themselves however
// they are printed. The process stays dumpable all the same: else /proc/PID would be root's,
// and who mounts could not trace his own process.
package daemon
