// Package mounts knows the mounts of iscsifs on this host: it lists them, tells
// the dead from the live, and takes them away.
//
// A FUSE mount whose daemon is gone answers everything with ENOTCONN; one whose
// daemon hangs answers nothing, and who asks it can hang too hard for SIGKILL.
// So this package looks at /proc/self/mountinfo, which asks no daemon; where it
// must ask a mount ([Mount.Probe]) a child process does, with a deadline. Paths
// are resolved only as far as the mountpoint ([Resolve]), never below it.
package mounts
