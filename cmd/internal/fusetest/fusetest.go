// Package fusetest mounts a small file system of iscsifs's type for tests: one file,
// lun0, in the memory of a process of its own, which can be killed and stopped as a
// daemon can.
package fusetest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Size is that of lun0, in bytes.
const Size = 16 << 20

// Source is what mountinfo shows as the source.
const Source = "/etc/iscsifs/a b.toml"

// variable holds the mountpoint, in the process that serves.
const variable = "_ISCSIFS_FUSETEST"

// Main makes the serving process of this one, if it is to be that. A TestMain calls
// it first.
func Main() {
	if point := os.Getenv(variable); point != "" {
		if err := serve(point); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// root is the directory with the one file.
type root struct{ fs.Inode }

// OnAdd makes the file.
func (r *root) OnAdd(ctx context.Context) {
	lun := &file{fs.MemRegularFile{Data: make([]byte, Size), Attr: fuse.Attr{Mode: 0o600}}}
	r.AddChild("lun0", r.NewPersistentInode(ctx, lun, fs.StableAttr{}), false)
}

// file is in memory: fsync, which mkfs checks, has nothing to do.
type file struct{ fs.MemRegularFile }

// Fsync succeeds.
func (*file) Fsync(context.Context, fs.FileHandle, uint32) syscall.Errno { return 0 }

func serve(point string) error {
	cached := time.Hour // attributes: a dead mount must be known as one all the same
	server, err := fs.Mount(point, &root{}, &fs.Options{
		AttrTimeout:  &cached,
		MountOptions: fuse.MountOptions{FsName: Source, Name: "iscsifs", AllowOther: os.Geteuid() == 0},
	})
	if err != nil {
		return err
	}
	fmt.Println("mounted")
	server.Wait()
	return nil
}

// Server is a mounted file system.
type Server struct {
	Point   string
	Process *os.Process
	t       testing.TB
	exited  chan struct{} // closed when the process is gone
}

// Start mounts one on a new directory and takes it away when the test ends. It skips
// the test where FUSE is not there.
func Start(t testing.TB) *Server {
	t.Helper()
	if err := unix.Access("/dev/fuse", unix.R_OK|unix.W_OK); err != nil {
		t.Skip("this user cannot use /dev/fuse: ", err)
	}
	s := &Server{Point: t.TempDir(), t: t, exited: make(chan struct{})}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), variable+"="+s.Point)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.Process = cmd.Process
	line := make([]byte, 4096)
	n, _ := out.Read(line)
	go func() { _ = cmd.Wait(); close(s.exited) }()
	t.Cleanup(s.end)
	if !strings.HasPrefix(string(line[:n]), "mounted") {
		t.Fatalf("the test's file system does not mount: %s", line[:n])
	}
	return s
}

// Kill makes a dead mount of it.
func (s *Server) Kill() {
	_ = s.Process.Signal(unix.SIGCONT)
	_ = s.Process.Kill()
	<-s.exited
}

// Freeze stops the process, as a daemon that hangs; Thaw lets it go on. It returns when
// all threads have stopped: until then one may answer yet.
func (s *Server) Freeze() {
	_ = s.Process.Signal(unix.SIGSTOP)
	err := error(unix.EINTR)
	for err == unix.EINTR {
		err = unix.Waitid(unix.P_PID, s.Process.Pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
	}
	if err != nil {
		s.t.Errorf("the test's file system does not stop: %v", err)
	}
}

// Thaw ends Freeze.
func (s *Server) Thaw() { _ = s.Process.Signal(unix.SIGCONT) }

func (s *Server) end() {
	s.Kill()
	// Until EINVAL: nothing is mounted there. A test may have unmounted it, or have
	// mounted something over it.
	err := s.detach()
	for err == nil && os.Geteuid() == 0 {
		err = s.detach()
	}
	if err != nil && err != unix.EINVAL {
		s.t.Errorf("%s stays mounted: %v", s.Point, err)
	}
}

// detach unmounts once, as root and users can.
func (s *Server) detach() error {
	if os.Geteuid() == 0 {
		return unix.Unmount(s.Point, unix.MNT_DETACH)
	}
	_ = exec.Command("fusermount3", "-u", "-z", s.Point).Run() // fails where the test has unmounted it
	return nil
}
