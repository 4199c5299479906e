package mounts

import (
	"context"
	"fmt"
	"os"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// pollTime is how often a wait looks again unasked, in milliseconds: the kernel's
// report of a change has been seen to stay away in a mount namespace of its own.
const pollTime = 50

// WaitGone returns when the mount is gone from mountinfo, or with the context's
// error.
func (m Mount) WaitGone(ctx context.Context) error {
	return wait(ctx, func() (bool, error) {
		there, err := m.mounted()
		return !there, err
	})
}

// WaitMounted returns the mount on a resolved mountpoint as soon as there is one,
// or the context's error.
func WaitMounted(ctx context.Context, point string) (Mount, error) {
	var m Mount
	err := wait(ctx, func() (found bool, err error) {
		m, found, err = Find(point)
		return found, err
	})
	return m, err
}

// wait looks again whenever the kernel reports that mounts have changed, and now and
// then, until done.
func wait(ctx context.Context, done func() (bool, error)) error {
	changes, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("cannot watch the list of mounts: %w", err)
	}
	defer changes.Close()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if err := poll(ctx, int(changes.Fd())); err != nil {
			return err
		}
	}
}

// poll returns when mounts have changed or pollTime has passed.
func poll(ctx context.Context, fd int) error {
	if _, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLPRI}}, pollTime); err != nil && err != unix.EINTR {
		return fmt.Errorf("cannot watch the list of mounts: poll: %w", err)
	}
	return ctx.Err()
}

// mounted tells whether the mount is still in mountinfo.
func (m Mount) mounted() (bool, error) {
	list, err := List()
	if err != nil {
		return false, err
	}
	for _, other := range list {
		if other.ID == m.ID && other.Point == m.Point && other.Major == m.Major && other.Minor == m.Minor {
			return true, nil
		}
	}
	return false, nil
}

// topmost returns what is mounted on a point above all else, of any type; nil if
// nothing is.
func topmost(point string) (*mountinfo.Info, error) {
	infos, err := mountinfo.GetMounts(func(info *mountinfo.Info) (bool, bool) { return info.Mountpoint != point, false })
	if err != nil || len(infos) == 0 {
		return nil, err
	}
	return infos[len(infos)-1], nil
}
