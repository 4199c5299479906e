package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// Path returns where the control socket of a resolved mountpoint belongs for a
// daemon of this user, and makes its directory, private, if need be.
func Path(point string) (string, error) {
	var faults []error
	for _, dir := range directories(os.Geteuid()) {
		err := private(dir)
		if err == nil {
			return filepath.Join(dir, fileName(point)), nil
		}
		faults = append(faults, err)
	}
	return "", fmt.Errorf("there is no directory for the control socket: %w", errors.Join(faults...))
}

// candidates are the places where the socket of a user's daemon may be.
func candidates(point string, uid int) []string {
	var paths []string
	for _, dir := range directories(uid) {
		paths = append(paths, filepath.Join(dir, fileName(point)))
	}
	return paths
}

// RemoveDead removes the control sockets that a dead daemon has left for a resolved
// mountpoint. One that somebody listens on stays.
func RemoveDead(ctx context.Context, point string, uid int) {
	for _, path := range candidates(point, uid) {
		c, err := dial(ctx, path, point, uid)
		if err == nil {
			_ = c.Close()
		} else if errors.Is(err, unix.ECONNREFUSED) {
			_ = os.Remove(path)
		}
	}
}

// fileName is short, as a socket's whole path must be (107 bytes).
func fileName(point string) string {
	sum := sha256.Sum256([]byte(point))
	return hex.EncodeToString(sum[:16]) + ".sock"
}

// directories are those for the sockets of a user's daemons, the best first.
func directories(uid int) []string {
	id := strconv.Itoa(uid)
	temporary := filepath.Join("/tmp", "iscsifs-"+id)
	if uid == 0 {
		return []string{"/run/iscsifs", temporary}
	}
	dirs := []string{filepath.Join("/run/user", id, "iscsifs"), temporary}
	if runtime := os.Getenv("XDG_RUNTIME_DIR"); uid == os.Geteuid() && filepath.IsAbs(runtime) {
		dirs = append([]string{filepath.Join(runtime, "iscsifs")}, dirs...)
	}
	return dirs
}

// private makes a directory that only this user can enter, or makes sure that an
// existing one is that. In /tmp another user may have come first.
func private(dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is no directory: remove it", dir)
	case int(owner) != os.Geteuid():
		return fmt.Errorf("%s belongs to uid %d: have it removed, or set XDG_RUNTIME_DIR to a directory of yours", dir, owner)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s is open to other users: `chmod 700 %s`", dir, dir)
	}
	return nil
}
