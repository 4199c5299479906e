package mounts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// fusermountTime bounds the run of fusermount3, which talks to no daemon.
const fusermountTime = 20 * time.Second

// Unmount takes a mount away and returns when it is gone from mountinfo. lazy
// detaches the name now and the file system when its last user is gone. It refuses
// if something else lies on the mountpoint by now, and carries the exit code InUse
// if the kernel says EBUSY.
func (m Mount) Unmount(ctx context.Context, lazy bool) error {
	if err := m.uppermost(); err != nil {
		return err
	}
	if err := m.unmount(ctx, lazy); err != nil {
		return err
	}
	return m.WaitGone(ctx)
}

// UnmountDead takes a mount away whose daemon is gone. Who still holds a file of it,
// as a loop device, keeps that and its errors: there is nothing left to write, and
// fuser(1) could not name it.
func (m Mount) UnmountDead(ctx context.Context) error {
	if err := m.Unmount(ctx, true); err != nil {
		return err
	}
	_ = m.Unlist() // a line too many does no harm, and the mount is gone
	return nil
}

// ClearDead takes the mount of iscsifs on a mountpoint away if its daemon is gone,
// and all dead ones that lie on each other there. It says whether there was one.
// A live or unanswering mount is an error with the exit code InUse; that nothing
// or something else is mounted there is no error. timeout bounds each question.
func ClearDead(ctx context.Context, point string, timeout time.Duration) (cleared bool, err error) {
	for {
		m, found, err := Find(point)
		if err != nil || !found {
			return cleared, err
		}
		if err := m.clear(ctx, timeout); err != nil {
			return cleared, err
		}
		cleared = true
	}
}

func (m Mount) clear(ctx context.Context, timeout time.Duration) error {
	state, err := m.Probe(ctx, timeout)
	if err != nil {
		return err
	}
	switch state {
	case Dead:
		return m.UnmountDead(ctx)
	case Unanswering:
		return exitcode.Errorf(exitcode.InUse,
			"%s is mounted already from %s, and its daemon does not answer: see `iscsifs status %s`; if it is to go, kill the daemon and try again",
			m.Point, m.Source, m.Point)
	default:
		return exitcode.Errorf(exitcode.InUse, "%s is mounted already from %s: run `iscsifs umount %s` first",
			m.Point, m.Source, m.Point)
	}
}

// uppermost makes sure that unmounting the point would hit this mount.
func (m Mount) uppermost() error {
	top, err := topmost(m.Point)
	switch {
	case err != nil:
		return err
	case top == nil:
		return fmt.Errorf("%s is not mounted any more", m.Point)
	case top.ID != m.ID:
		return exitcode.Errorf(exitcode.InUse, "cannot unmount %s: %s (%s) is mounted over it: unmount that first",
			m.Point, top.Source, top.FSType)
	}
	return nil
}

func (m Mount) unmount(ctx context.Context, lazy bool) error {
	if os.Geteuid() != 0 {
		return m.fusermount(ctx, lazy)
	}
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	return m.failed(unix.Unmount(m.Point, flags), "")
}

// fusermount is how a user unmounts: by the set-uid program of libfuse.
func (m Mount) fusermount(ctx context.Context, lazy bool) error {
	program, err := exec.LookPath("fusermount3")
	if err != nil {
		if program, err = exec.LookPath("fusermount"); err != nil {
			return fmt.Errorf("cannot unmount %s: neither fusermount3 nor fusermount is installed: install fuse3", m.Point)
		}
	}
	args := []string{"-u"}
	if lazy {
		args = append(args, "-z")
	}
	ctx, cancel := context.WithTimeout(ctx, fusermountTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append(args, "--", m.Point)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil && strings.Contains(string(out), "busy") {
		err = unix.EBUSY
	}
	return m.failed(err, strings.TrimSpace(string(out)))
}

// failed says why the mount could not be unmounted.
func (m Mount) failed(err error, detail string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EBUSY):
		return exitcode.Errorf(exitcode.InUse, "cannot unmount %s: a process has it as working directory or has a file of it open: `fuser -vm %s` names it", m.Point, m.Point)
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("cannot unmount %s: only root and the user who mounted it (uid %d) may", m.Point, m.UserID)
	case detail != "":
		return fmt.Errorf("cannot unmount %s: %s (%w)", m.Point, detail, err)
	default:
		return fmt.Errorf("cannot unmount %s: %w", m.Point, err)
	}
}
