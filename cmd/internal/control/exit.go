package control

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// exitPoll is how often WaitExit looks at its context, in milliseconds.
const exitPoll = 50

// pidfd refers to a process, so that its number, given to another, cannot deceive.
func pidfd(pid int) *os.File {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return nil
	}
	return os.NewFile(uintptr(fd), "pidfd")
}

// WaitExit returns when the daemon's process has ended, or with the error of ctx.
func (c *Client) WaitExit(ctx context.Context) error {
	if c.process == nil {
		return fmt.Errorf("cannot wait for the end of the daemon of %s: process %d cannot be watched from here", c.point, c.Daemon.PID)
	}
	fds := []unix.PollFd{{Fd: int32(c.process.Fd()), Events: unix.POLLIN}}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := unix.Poll(fds, exitPoll)
		switch {
		case n > 0:
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("cannot wait for the end of the daemon of %s: %w", c.point, err)
		}
	}
}
