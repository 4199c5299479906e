// Command iscsifs presents LUNs of iSCSI targets as raw files, in user space.
//
// Each command of the program has a file of its own, named after it. What lives
// as long as a mount is in package daemon. Only main exits.
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
