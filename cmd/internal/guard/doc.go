// Package guard keeps two from using one thing on this host: a logical unit from
// being written through two caches, a mountpoint from being served by two daemons,
// an I_T nexus (initiator name, ISID, target) from being logged in twice, where the
// second login would end the first session (RFC 7143, section 6.3.5).
//
// # The mechanism
//
// Each lock is an abstract unix socket named by the hash of what it stands for.
// bind(2) is atomic, the name goes with the last descriptor, so that a killed
// daemon leaves nothing behind, and there is no file to leave stale, to fill a
// directory that another user owns, or to be refused by permissions or by
// fs.protected_regular, all of which befall lock files in a sticky directory that
// several users share. Who is refused connects to the socket: the kernel says who
// listens (SO_PEERCRED: process and user, not to be forged), and the listener tells
// on one line the mountpoint and file, which is believed to be no more than a hint.
//
// # What it does not do
//
// Abstract names belong to the network namespace: a container with one of its own
// shares none with the host, as it shares no directory either; what guards a
// logical unit there, and against other hosts, is a persistent reservation
// (exclusive = true). A local user can take a name without mounting anything; the
// refusal then names that process and user, and --shared overrides it.
package guard
