// Package control is how a command talks to a daemon: one request on a unix socket,
// progress while it is carried out, then a result or an error.
//
// # The socket
//
// It lies in a directory that only the daemon's user and root can enter:
// /run/iscsifs for root, $XDG_RUNTIME_DIR/iscsifs or /run/user/UID/iscsifs for
// users, else /tmp/iscsifs-UID. Its name is the hash of the mountpoint. Clients need
// not share the daemon's environment to find it: the daemon's lock on the
// mountpoint (package guard) tells them where it is, and where they cannot ask the
// lock, because the daemon is in another network namespace, they look into the
// directories in turn. Both sides check by SO_PEERCRED who the other is: a daemon
// answers its own user and root only, a client believes only the user whose mount
// it is.
//
// # The protocol
//
// Lines of JSON, one request per connection:
//
//	client   {"command":"sync","options":{…}}
//	daemon   {}                                 every second, while it works
//	daemon   {"progress":…}                     any number
//	daemon   {"result":…}                       or {"error":"…","code":6}, and the end
//
// A client that hears nothing for [Silence] gives up: no command hangs on a daemon
// that does. A client that goes away ends the context of its request.
package control
