// Package background starts the daemon in the background, so that the command that
// started it returns when the daemon is ready, with the daemon's word on it.
//
// A Go program cannot fork; it runs itself again. The parent ([Start]) and the
// child ([Inherited]) talk over two pipes:
//
//	parent                                       child, in a session of its own
//	  │  {"out":…} {"err":…}  for the user   ◄────  Reporter.Out, Reporter.Warn
//	  │  {"ready":true}                      ◄────  Reporter.Ready: waits for the word
//	  │  "go on"                             ────►  …and returns: the daemon is on its own
//	  │  {"failure":…,"code":N}              ◄────  Reporter.Fail
//	  │  end of file: interrupted or dead    ────►  Reporter.Context ends: clean up and exit
//
// So there is no moment at which a parent that was interrupted leaves a daemon
// behind, or says ready for one that has died: without the parent's word the child
// is not ready.
//
// The child's standard input and output are /dev/null. Its standard error goes
// to the parent, for the last words of a crash, and to /dev/null once it is ready;
// so does its working directory change to / then, and not before, because paths
// of the command line are relative to it. No other descriptor of the parent, nor
// one that a careless shell script left open to it, reaches the child.
//
// Arguments and environment can be read by others: no secret belongs there.
package background
