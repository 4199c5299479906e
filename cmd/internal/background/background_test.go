package background

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// TestMain is the daemon, too: what the tests start is this program again.
func TestMain(m *testing.M) {
	if r := Inherited(); r != nil {
		os.Exit(daemon(r, os.Args[1], os.Args[2]))
	}
	goleak.VerifyTestMain(m)
}

// daemon behaves as told. It leaves its process id in a file, and the descriptors
// that it found open beyond its own.
func daemon(r *Reporter, behaviour, dir string) int {
	ctx, cancel := r.Context(context.Background())
	defer cancel()
	_ = os.WriteFile(filepath.Join(dir, "pid"), fmt.Append(nil, os.Getpid()), 0o600)
	r.Out("lun0")
	switch behaviour {
	case "ready":
		r.Warn("a warning")
		return served(r, dir)
	case "fail":
		r.Fail(exitcode.Errorf(exitcode.Refused, "wrong password"))
		return 3
	case "fail of another":
		fmt.Fprintln(os.Stderr, "fusermount3: no\nnot you") // as a program does that it runs
		r.Fail(errors.New("fusermount exited with code 256\n"))
		return 1
	case "panic":
		panic("out of ideas")
	case "die":
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
	case "wait":
		<-ctx.Done()
		r.Warn("cleaning up")
		_ = os.WriteFile(filepath.Join(dir, "cause"), []byte(context.Cause(ctx).Error()), 0o600)
	case "deaf":
		select {}
	}
	return 1
}

// served is ready, writes down what it is then, and waits for SIGTERM.
func served(r *Reporter, dir string) int {
	term := make(chan os.Signal, 1)
	signal.Notify(term, unix.SIGTERM)
	open := descriptors()
	if err := r.Ready(); err != nil {
		return 1
	}
	wd, _ := os.Getwd()
	stderr, _ := os.Readlink("/proc/self/fd/2")
	sid, _ := unix.Getsid(0)
	_, marked := os.LookupEnv(marker)
	state := fmt.Sprintf("wd %s stderr %s leader %t marked %t open %s", wd, stderr, sid == os.Getpid(), marked, open)
	_ = os.WriteFile(filepath.Join(dir, "state"), []byte(state), 0o600)
	<-term
	return 0
}

// descriptors lists what is open and is neither the protocol's nor Go's own.
func descriptors() string {
	var list []string
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, _ := os.Readlink("/proc/self/fd/" + e.Name())
		if strings.HasPrefix(target, "/") && target != os.DevNull && !strings.HasPrefix(target, "/proc/") && !strings.HasPrefix(target, "/sys/") {
			list = append(list, target)
		}
	}
	return strings.Join(list, ",")
}

// started runs a daemon and returns what the user saw and its error.
func started(ctx context.Context, dir, behaviour string, stop time.Duration) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	err = Start(ctx, Options{Args: []string{behaviour, dir}, Stdout: &out, Stderr: &errOut, StopTime: stop})
	return out.String(), errOut.String(), err
}

// pidOf returns the process id that the daemon left.
func pidOf(t *testing.T, dir string) int {
	t.Helper()
	var pid int
	if _, err := fmt.Sscan(wait(t, filepath.Join(dir, "pid")), &pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// wait returns the content of a file as soon as there is some.
func wait(t *testing.T, file string) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if b, err := os.ReadFile(file); err == nil && len(b) > 0 {
			return string(b)
		}
	}
	t.Fatal(file, " does not come")
	return ""
}

func gone(t *testing.T, dir string) {
	t.Helper()
	if err := unix.Kill(pidOf(t, dir), 0); !errors.Is(err, unix.ESRCH) {
		t.Errorf("the daemon is still there: %v", err)
	}
}

func TestReady(t *testing.T) {
	dir := t.TempDir()
	// What a shell script left open: it has no FD_CLOEXEC.
	lock, err := unix.Open(filepath.Join(dir, "lock"), unix.O_CREAT|unix.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(lock)
	stdout, stderr, err := started(t.Context(), dir, "ready", 0)
	if err != nil || stdout != "lun0\n" || stderr != "a warning\n" {
		t.Fatalf("error %v, stdout %q, stderr %q", err, stdout, stderr)
	}
	pid := pidOf(t, dir)
	t.Cleanup(func() {
		_ = unix.Kill(pid, unix.SIGTERM)
		_, _ = unix.Wait4(pid, nil, 0, nil)
	})
	want := "wd / stderr /dev/null leader true marked false open "
	if got := wait(t, filepath.Join(dir, "state")); got != want {
		t.Errorf("the daemon is %q, want %q", got, want)
	}
}

// What a program says on standard error that the daemon runs is shown below the failure.
func TestFailOfAnother(t *testing.T) {
	_, _, err := started(t.Context(), t.TempDir(), "fail of another", 0)
	if want := "fusermount exited with code 256\n  fusermount3: no\n  not you"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestFail(t *testing.T) {
	dir := t.TempDir()
	stdout, _, err := started(t.Context(), dir, "fail", 0)
	if exitcode.Of(err) != int(exitcode.Refused) || err.Error() != "wrong password" || stdout != "lun0\n" {
		t.Errorf("error %v (code %d), stdout %q", err, exitcode.Of(err), stdout)
	}
	gone(t, dir)
}

func TestCrash(t *testing.T) {
	for behaviour, want := range map[string][]string{
		"panic": {"exit status 2", "out of ideas"},
		"die":   {"signal: killed", "without a word"},
	} {
		dir := t.TempDir()
		_, _, err := started(t.Context(), dir, behaviour, 0)
		for _, text := range want {
			if err == nil || !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v does not say %q", behaviour, err, text)
			}
		}
		gone(t, dir)
	}
}

// TestInterrupted: the daemon is told, cleans up, and is gone when Start returns.
func TestInterrupted(t *testing.T) {
	dir := t.TempDir()
	interrupt := errors.New("interrupted")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		pidOf(t, dir)
		cancel(interrupt)
	}()
	_, stderr, err := started(ctx, dir, "wait", 0)
	if !errors.Is(err, interrupt) || stderr != "cleaning up\n" {
		t.Errorf("error %v, stderr %q", err, stderr)
	}
	gone(t, dir)
	if cause := wait(t, filepath.Join(dir, "cause")); cause != ErrParentGone.Error() {
		t.Errorf("the daemon was told %q", cause)
	}
}

// TestInterruptedDeaf: a daemon that does not end is ended.
func TestInterruptedDeaf(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		pidOf(t, dir)
		cancel()
	}()
	_, _, err := started(ctx, dir, "deaf", 100*time.Millisecond)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "was killed") {
		t.Error(err)
	}
	gone(t, dir)
}

func TestTailKeepsTheEnd(t *testing.T) {
	var kept tail
	for i := range 10 * maxTail {
		_, _ = fmt.Fprintf(&kept, "%d ", i)
	}
	if s := kept.String(); len(s) > maxTail || !strings.HasSuffix(s, fmt.Sprint(10*maxTail-1)) {
		t.Errorf("%d bytes, ending in %q", len(s), s[len(s)-10:])
	}
}
