package control

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"syscall"

	"golang.org/x/sys/unix"
)

// lockDirectory makes the caller the only one who changes the sockets of a directory,
// until it closes the file. Nobody keeps it for longer than that takes.
func lockDirectory(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// socketName is what fileName makes.
var socketName = regexp.MustCompile(`^[0-9a-f]{32}\.sock$`)

// removeStale removes the sockets of this user's daemons that were killed, whatever
// their mountpoints. The caller has the directory's lock: between bind(2) and listen(2)
// the socket of a living one looks the same.
func removeStale(dir string) {
	entries, _ := os.ReadDir(dir) // what is left there does no harm
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if socketName.MatchString(e.Name()) && isOwnSocket(path) && isSilent(path) {
			_ = os.Remove(path)
		}
	}
}

func isOwnSocket(path string) bool {
	info, err := os.Lstat(path)
	if err != nil || info.Mode().Type() != fs.ModeSocket {
		return false
	}
	return int(info.Sys().(*syscall.Stat_t).Uid) == os.Geteuid()
}

// isSilent tells whether no process listens on a socket. connect(2) does not wait: where
// too many do already, somebody listens.
func isSilent(path string) bool {
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Net: "unix", Name: path})
	if err == nil {
		_ = conn.Close()
	}
	return errors.Is(err, unix.ECONNREFUSED)
}
