// Command iscsifs presents LUNs of iSCSI targets as raw files, in user space.
//
// Each command of the program has a file of its own, named after it, with what it shows in
// files that begin with its name. What all of them use:
//
//	main.go program.go usage.go help.go  the program, its errors, wrong usage, help
//	complete.go manual.go                completions and man pages
//	mounted.go                           the mount that a command is for
//	probe.go                             a look at a target that mounts nothing
//	bar.go bar_logins.go json.go         progress on terminals; JSON
//
// `iscsifs mount` runs the program once more as the daemon: daemon.go and foreground.go,
// with log.go, log_file.go, log_flood.go and metrics.go. What lives as long as a mount is
// in package daemon. Only main exits.
package main

import (
	"context"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/background"
)

// version is set by the linker.
var version = "unknown"

func main() {
	// First of all, before anything opens descriptors.
	reporter := background.Inherited()
	p := &program{
		stdin:    os.Stdin,
		stdout:   os.Stdout,
		stderr:   os.Stderr,
		reporter: reporter,
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	defer stop()
	code := p.run(ctx, os.Args)
	stop()
	os.Exit(code)
}
