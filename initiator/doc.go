// Package initiator is an iSCSI initiator in user space, as described in RFC
// 7143, at error recovery level 0: it logs in to targets and reads and writes
// their disks, without the kernel's initiator and without privileges.
//
// # Use
//
// [Discover] asks a portal for its targets. [Login] opens a [Session] with one of
// them, [Session.LUNs] lists its logical units, and [Session.OpenDisk] opens one
// as a [Disk], which reads and writes whole blocks:
//
//	session, err := initiator.Login(ctx, initiator.Config{
//		InitiatorName: "iqn.2026-11.org.example:host1",
//		TargetName:    "iqn.2026-11.org.example:backup",
//		Portals:       []string{"192.0.2.7:3260"},
//	})
//	disk, err := session.OpenDisk(ctx, scsi.PeripheralLUN(0))
//	n, err := disk.ReadAt(ctx, buf, 0)
//
// # Memory
//
// A buffer handed to a Disk is read from, or written to, by the connection
// itself, without a copy. It belongs to the disk until the method returns, which
// it does only when neither the target nor the connection can touch the buffer
// any more. When a context ends, the command is aborted at the target first; that
// takes as long as the target takes to answer, and at most as long as the ladder
// below.
//
// # Lost connections
//
// A session outlives its connections. When one ends, for whatever reason, the
// session logs in again with the same identity until it succeeds or is closed.
// Meanwhile commands wait; after Config.ReplacementTimeout they fail with
// [ErrSessionLost]. After the login each open disk is proven to be the logical
// unit that it was, see [ErrIdentity] and [ErrShrunk], each by itself; then its
// commands that were unanswered are sent again, in their order, before those that
// were not sent yet. If a write was unanswered, a LOGICAL UNIT RESET goes before: a
// target may still execute what it had received on the old connection. A LUN that
// is absent, not ready or silent is asked again for as long as the session lives;
// its commands wait too, then fail with [ErrLUNLost]. So is one that is another or
// a smaller one than it was, while its commands fail. See [DiskState].
//
// What a target answered GOOD for is durable only after [Disk.Sync]. A target that
// restarts may lose it before; [Disk.Epoch] tells.
//
// # Timeouts
//
// A command that makes no progress for its timeout is aborted and sent again. After
// two aborts in vain its logical unit is reset, and all of its commands are sent
// again; when that fails too the connection is dropped. So it is when a target that
// has no command keeps its command window closed. A command that goes through this
// again and again fails with [ErrTimeout] after Config.ReplacementTimeout. One that
// must not be executed twice is not sent again, and fails with [ErrOutcomeUnknown].
//
// # Changes
//
// What a target announces of its logical units, by unit attentions and
// asynchronous messages, the session asks for, takes over and then tells, see
// [Event] and [Disk.Refresh].
//
// # Several paths
//
// [LoginPaths] opens several sessions with one target, by several portals or
// several by one, and [Paths.OpenUnit] a logical unit that is reached by all of
// them, a [Unit]. It uses the paths whose asymmetric access state (ALUA, SPC-4,
// Section 5.15) is the best, leaves one at once that is lost, and takes it again
// when it is back. Ghosts of a lost path's writes are laid by a reset through
// another before anything else is written.
//
// # Errors
//
// All errors are of type [*Error]: what failed, at which target, portal and LUN,
// and why. Unit attentions, BUSY and TASK SET FULL are not errors: the command is
// sent again. [Error.Errno] maps the rest to error numbers.
//
// # Reservations, and freed blocks
//
// Who is to write to a disk alone takes a persistent reservation, see [Disk.Reserve]. A
// PERSISTENT RESERVE OUT whose outcome is unknown is not repeated blindly: what comes
// next follows from PERSISTENT RESERVE IN. What a target says that it has freed counts
// only where GET LBA STATUS proves it and freed blocks read as zeroes (LBPRZ).
//
// # Files
//
// Login, up to the full feature phase:
//
//	config.go address.go dial.go adjust.go  settings, portals, sockets; what can change later
//	connect.go redirect.go                  one attempt, and where a target sends it on
//	login.go login_wire.go login_checks.go  the stages, and their PDUs
//	login_status.go                         refusals
//	security.go chap.go chap_algorithms.go chap_values.go chap_reflection.go
//	negotiation.go keys.go key_types.go params.go  the text keys, and what comes of them
//	discovery.go sendtargets.go text.go     what a portal offers
//
// Session, the states and the queue of commands:
//
//	session.go logout.go luns.go            its states and its end; what LUNs there are
//	event.go stats.go                       what it tells
//	submit.go window.go slots.go serial.go  CmdSN and task tags
//	task.go coverage.go vector.go           one command, and the caller's memory
//	recover.go flap.go                      the way out of every fault of a connection
//	rescue.go task_mgmt.go again.go         of a command that is not answered
//	attention.go                            what a unit attention changes
//
// conn, one connection:
//
//	conn.go watchdog.go                     its goroutines, and signs of life
//	send.go                                 gathering writes; whoever holds the token writes
//	receive.go data_in.go scatter.go scatter_race.go scatter_norace.go  data into place
//	dispatch.go async.go reject.go          what the target sends else
//
// Disk, one logical unit by one session:
//
//	disk.go disk_probe.go                   what it is
//	disk_state.go                           where it stands with its session
//	disk_keep.go disk_verify.go disk_hold.go  is it still the same, and ours?
//	command.go disk_io.go pipeline.go disk_flush.go  reading, writing, SYNCHRONIZE CACHE
//	disk_ways.go disk_zero.go disk_free.go disk_allocation.go space.go  thin provisioning
//	disk_reserve.go reservation.go reserver.go reserve_command.go  persistent reservations
//
// Paths and Unit, one target and its logical units by several sessions:
//
//	paths.go paths_route.go paths_change.go paths_gate.go  the sessions
//	paths_status.go paths_guest.go          of two targets that lead to one unit
//	unit.go unit_state.go unit_lost.go      the unit, and when no path is left
//	unit_path.go unit_access.go unit_leave.go  the states of a path, and of ALUA
//	unit_io.go unit_sync.go unit_free.go unit_reserve.go  which path a command takes
//	unit_settle.go reissue.go               resets that lay the ghosts of a lost path
//
// Errors: errors.go and errno.go; together.go, of several paths.
//
// The PDUs are in package pdu, the SCSI commands and their data in package scsi.
package initiator
