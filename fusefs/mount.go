package fusefs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// AllowOther says whether users other than the one who mounts may look into
// the mount.
type AllowOther int

// The values of AllowOther.
const (
	AllowOtherAuto AllowOther = iota // where it is permitted
	AllowOtherNo
	AllowOtherYes // fail where it is not permitted
)

// MountOptions are the settings of a mount.
type MountOptions struct {
	Source     string // what mountinfo shows as the source; the configuration's absolute path
	AllowOther AllowOther
}

// fuseConf is where fusermount3 reads what users may ask for.
const fuseConf = "/etc/fuse.conf"

// Server is a mount in service.
type Server struct {
	fs         *FS
	server     *fuse.Server
	point      string
	allowOther bool
	served     sync.WaitGroup // the goroutine that serves requests
}

// Mount mounts f at the directory point and serves it until it is unmounted,
// by whomever. The mount is in service when Mount returns. Root mounts by
// itself, others through fusermount3.
func Mount(f *FS, point string, opts MountOptions) (*Server, error) {
	point, err := filepath.Abs(point)
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", point, err)
	}
	allow, err := resolveAllowOther(opts.AllowOther, os.Geteuid(), fuseConf)
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", point, err)
	}
	server, err := fuse.NewServer(&raw{FS: f}, point, settings(f, opts.Source, allow))
	if err != nil {
		return nil, fmt.Errorf("mount %s: %w", point, err)
	}
	s := &Server{fs: f, server: server, point: point, allowOther: allow}
	s.served.Go(server.Serve)
	return s, nil
}

// AllowOther tells whether other users may look into the mount.
func (s *Server) AllowOther() bool { return s.allowOther }

// Point is the absolute path of the mountpoint.
func (s *Server) Point() string { return s.point }

// Unmount takes the mount out of the file system tree and waits until the last
// request is answered. While something in it is in use it fails, and the error
// wraps syscall.EBUSY; the mount then stays in service.
func (s *Server) Unmount() error {
	if err := unmount(s.point); err != nil {
		return fmt.Errorf("unmount %s: %w", s.point, err)
	}
	s.Wait()
	return nil
}

// Wait returns when the mount is gone, whoever unmounted it, and everything
// that its requests have started has ended, synchronizations included.
func (s *Server) Wait() {
	s.served.Wait()
	s.fs.later.Wait()
}

// unmount unmounts point, without following a symbolic link and never lazily.
func unmount(point string) error {
	if os.Geteuid() == 0 {
		return unix.Unmount(point, unix.UMOUNT_NOFOLLOW)
	}
	cmd := exec.Command("fusermount3", "-u", point)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case bytes.Contains(out, []byte("busy")):
		return unix.EBUSY
	case len(out) > 0:
		return errors.New(string(bytes.TrimSpace(out)))
	}
	return err
}
