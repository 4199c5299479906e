package main

import (
	"fmt"
	"io"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/iscsifs/iscsifs/cmd/internal/daemon"
)

// foreground is the audience of a daemon in the foreground: the terminal and
// systemd, if it asked to be told (sd_notify).
type foreground struct{ stdout, stderr io.Writer }

// Out prints a line.
func (f foreground) Out(line string) { fmt.Fprintln(f.stdout, line) }

// Warn prints a line on standard error.
func (f foreground) Warn(line string) { fmt.Fprintln(f.stderr, line) }

// Progress tells nobody: the log, which is on the same terminal, has more.
func (foreground) Progress(any) {}

// Ready tells systemd.
func (foreground) Ready() error {
	notify(sd.SdNotifyReady)
	return nil
}

// notifyState tells systemd the daemon's state. A stop that may yet be refused is
// none: systemd would kill a service that has said STOPPING.
func notifyState(s daemon.State) {
	if s == daemon.Finishing {
		notify(sd.SdNotifyStopping)
	}
	notify("STATUS=" + s.String())
}

// notifyReload tells systemd (Type=notify-reload) that the configuration is being read
// again, and that it has been.
func notifyReload(begins bool) {
	if !begins {
		notify(sd.SdNotifyReady)
		return
	}
	notify(sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec())
}

// notify sends a line to systemd. Whoever set NOTIFY_SOCKET wants it; that it
// cannot be had is no reason to stop serving.
func notify(state string) { _, _ = sd.SdNotify(false, state) }
