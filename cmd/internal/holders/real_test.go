package holders

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/fusetest"
	"github.com/iscsifs/iscsifs/cmd/internal/mounts"
)

func TestMain(m *testing.M) {
	fusetest.Main()
	goleak.VerifyTestMain(m)
}

// stuckFile makes a file whose opening waits for as long as the test runs.
func stuckFile(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // lets the reader go
		w, err := os.OpenFile(path, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if err == nil {
			_ = w.Close()
		}
	})
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// lines looks at a real mount.
func lines(t *testing.T, s *fusetest.Server) []string {
	t.Helper()
	m, ok, err := mounts.Find(s.Point)
	if err != nil || !ok {
		t.Fatal(s.Point, " is not mounted: ", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	list, _, err := Find(ctx, m, s.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, h := range list {
		lines = append(lines, h.Command)
	}
	return lines
}

// TestRealProcess: one that has the file open, found although the daemon hangs.
func TestRealProcess(t *testing.T) {
	s := fusetest.Start(t)
	if got := lines(t, s); len(got) != 0 {
		t.Fatalf("nobody uses it: %q", got)
	}
	f, err := os.Open(s.Point + "/lun0")
	if err != nil {
		t.Fatal(err)
	}
	user := exec.Command("sleep", "100")
	user.Stdin = f
	user.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: unix.SIGKILL}
	if err := user.Start(); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	t.Cleanup(func() {
		s.Thaw()
		_ = user.Process.Kill()
		_ = user.Wait()
	})
	s.Freeze()
	want := []string{"kill " + strconv.Itoa(user.Process.Pid)}
	if got := lines(t, s); !slices.Equal(got, want) {
		t.Errorf("held by %q, want %q", got, want)
	}
}

// TestRealLoop: a file system on a loop device on the file.
func TestRealLoop(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	s := fusetest.Start(t)
	loop := run(t, "losetup", "-f", "--show", s.Point+"/lun0")
	attached := true
	t.Cleanup(func() {
		if attached { // else it may be somebody else's by now
			_ = exec.Command("losetup", "-d", loop).Run()
		}
	})
	run(t, "mkfs.ext4", "-q", loop)
	point := t.TempDir()
	run(t, "mount", loop, point)
	t.Cleanup(func() { _ = unix.Unmount(point, unix.MNT_DETACH) })
	want := []string{"umount " + point, "losetup -d " + loop}
	if got := lines(t, s); !slices.Equal(got, want) {
		t.Fatalf("held by %q, want %q", got, want)
	}
	for _, command := range want { // as it says, in its order
		run(t, "sh", "-c", command)
	}
	attached = false
	if got := lines(t, s); len(got) != 0 {
		t.Errorf("freed, and still held by %q", got)
	}
}
