package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/mounts"
)

// CheckMountpoint makes sure that something can be mounted on point: it clears a
// mount of iscsifs whose daemon is gone, and refuses a live one (with the exit
// code InUse), what is no directory, what would hide files, and what the user may
// not mount on. It returns the point without symbolic links.
func CheckMountpoint(ctx context.Context, point string) (string, error) {
	if err := checkFUSE(); err != nil {
		return "", fmt.Errorf("mount on %s: %w", point, err)
	}
	resolved, err := mounts.Resolve(point)
	if errors.Is(err, fs.ErrNotExist) {
		return "", missing(point)
	}
	if err != nil {
		return "", err
	}
	if _, err := mounts.ClearDead(ctx, resolved, mounts.ProbeTime); err != nil {
		return "", err
	}
	return resolved, checkDirectory(resolved)
}

// devFUSE is how a file system in user space talks to the kernel.
const devFUSE = "/dev/fuse"

// checkFUSE makes sure that this user can mount through FUSE. For users
// fusermount3 mounts, and opens the device with their rights.
func checkFUSE() error {
	err := unix.Access(devFUSE, unix.R_OK|unix.W_OK)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no %s: load the kernel module with `modprobe fuse`, or give the container the device", devFUSE)
	case err != nil:
		return fmt.Errorf("this user may not use %s: %w: its usual mode is 0666", devFUSE, err)
	}
	if _, err := exec.LookPath("fusermount3"); err != nil && os.Geteuid() != 0 {
		return errors.New("users need the program fusermount3: install the package fuse3")
	}
	return nil
}

func missing(point string) error {
	return fmt.Errorf("mount on %s: there is no such directory: `mkdir -p %s` makes it", point, point)
}

func checkDirectory(point string) error {
	dir, err := os.Open(point)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missing(point)
	case err != nil:
		return fmt.Errorf("mount on %s: %w", point, unwrapPath(err))
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err != nil {
		return fmt.Errorf("mount on %s: %w", point, unwrapPath(err))
	}
	if !info.IsDir() {
		return fmt.Errorf("mount on %s: it is no directory", point)
	}
	if _, err := dir.ReadDir(1); !errors.Is(err, io.EOF) {
		return fmt.Errorf("mount on %s: the directory is not empty, and the mount would hide what is in it: choose an empty one", point)
	}
	if err := unix.Access(point, unix.W_OK); err != nil {
		return fmt.Errorf("mount on %s: the directory is not yours to write: %w", point, err)
	}
	return nil
}

// unwrapPath leaves away the operation and path that the message has already.
func unwrapPath(err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err
	}
	return err
}
