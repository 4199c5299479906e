package mounts

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/reclaim"
)

// State is how a mount answers.
type State int

// The states of a mount.
const (
	Live        State = iota // it answers, or lets only its own user ask
	Dead                     // its daemon is gone
	Unanswering              // its daemon is there and does not answer
)

// ProbeTime is how long a mount has to answer before it counts as hanging.
const ProbeTime = 5 * time.Second

// String returns the state's name, as status prints it.
func (s State) String() string {
	switch s {
	case Live:
		return "live"
	case Dead:
		return "dead"
	case Unanswering:
		return "unanswering"
	default:
		return fmt.Sprintf("unknown(%d)", int(s))
	}
}

// probeVariable holds, in the child, the path to ask.
const probeVariable = "_ISCSIFS_PROBE"

// reapTime is how long a killed child may take to go. One that the kernel
// does not let go is left to init.
const reapTime = time.Second

// init makes a child of ask of this process, whatever program it is. Its
// exit status is the errno.
func init() {
	path, child := os.LookupEnv(probeVariable)
	if !child {
		return
	}
	// Without FORCE_SYNC the kernel would answer from its cache for a dead daemon.
	var stat unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_FORCE_SYNC, unix.STATX_MODE, &stat)
	var errno unix.Errno
	errors.As(err, &errno)
	syscall.Exit(int(errno)) // at once: os.Exit gives the race detector a second
}

// Probe asks the mount for its root directory's attributes and says how it
// answers, within timeout.
func (m Mount) Probe(ctx context.Context, timeout time.Duration) (State, error) {
	errno, answered, err := m.ask(ctx, m.Point, timeout)
	switch {
	case err != nil:
		return Live, err
	case !answered:
		return Unanswering, nil
	case errno == unix.ENOTCONN || errno == unix.ECONNABORTED:
		return Dead, nil
	}
	return Live, nil
}

// Refresh asks for the attributes of a file of the mount, so that the kernel knows
// its size: asynchronous reads, and loop devices of kernels older than 6.18, go by what
// it last heard. It is safe in the daemon itself, within timeout.
func (m Mount) Refresh(ctx context.Context, file string, timeout time.Duration) error {
	path := filepath.Join(m.Point, file)
	errno, answered, err := m.ask(ctx, path, timeout)
	switch {
	case err != nil:
		return err
	case !answered:
		return fmt.Errorf("%s: %w: its size was asked for, for %s", path, os.ErrDeadlineExceeded, timeout)
	case errno != 0:
		return fmt.Errorf("cannot ask for the size of %s: %w", path, errno)
	}
	return nil
}

// ask asks for the attributes of a path in the mount. It is a child process that
// asks, because a daemon that has read a request and does not answer holds the asking
// process beyond the reach of SIGKILL, so that even exit hangs. root asks as the
// mount's user: others are refused without allow_other.
func (m Mount) ask(ctx context.Context, path string, timeout time.Duration) (errno unix.Errno, answered bool, err error) {
	child := m.prober(path)
	if err := child.Start(); err != nil {
		return 0, false, fmt.Errorf("cannot ask the mount %s: starting a child process: %w", m.Point, err)
	}
	_ = reclaim.Release(child.Process.Pid) // it serves nobody
	exited := make(chan error, 1)
	go func() { exited <- child.Wait() }()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	select {
	case err := <-exited:
		errno, err := m.answer(child, err)
		return errno, true, err
	case <-ctx.Done():
		_ = child.Process.Kill() // it may just have gone
		select {
		case <-exited:
		case <-time.After(reapTime):
		}
		return 0, false, nil
	}
}

func (m Mount) prober(path string) *exec.Cmd {
	child := exec.Command("/proc/self/exe") // the link works where the binary was replaced, too
	child.Env = []string{probeVariable + "=" + path}
	child.Dir = "/"
	if os.Geteuid() == 0 && m.UserID != 0 {
		child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{
			Uid: uint32(m.UserID), Gid: uint32(m.GroupID), NoSetGroups: true,
		}}
	}
	return child
}

// answer reads the child's exit status.
func (m Mount) answer(child *exec.Cmd, err error) (unix.Errno, error) {
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, fmt.Errorf("cannot ask the mount %s: the child process: %w", m.Point, err)
	}
	return unix.Errno(child.ProcessState.ExitCode()), nil
}
