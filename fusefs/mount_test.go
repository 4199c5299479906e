package fusefs

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestMountinfo(t *testing.T) {
	for name, c := range map[string]struct {
		opts Options
		want string
	}{"rw": {Options{}, " rw,nosuid,nodev"}, "ro": {Options{ReadOnly: true}, " ro,nosuid,nodev"}} {
		t.Run(name, func(t *testing.T) {
			m := mountLUN(t, c.opts)
			info, err := os.ReadFile("/proc/self/mountinfo")
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(info)) {
				if !strings.Contains(line, " "+m.server.Point()+" ") {
					continue
				}
				if !strings.Contains(line, c.want) || !strings.Contains(line, " - fuse.iscsifs /etc/iscsifs/test.toml ") ||
					!strings.Contains(line, "default_permissions") || strings.Contains(line, "allow_other") != m.server.AllowOther() {
					t.Error(line)
				}
				return
			}
			t.Error("not in mountinfo")
		})
	}
}

// TestUnmountedByAnother: whoever unmounts, Wait returns.
func TestUnmountedByAnother(t *testing.T) {
	m := mountLUN(t, Options{})
	expect(t, "unmount", unix.Unmount(m.server.Point(), 0), nil)
	m.server.Wait()
}

func TestMountFails(t *testing.T) {
	needFUSE(t)
	_, err := Mount(New(Options{}), filepath.Join(t.TempDir(), "none"), MountOptions{AllowOther: AllowOtherNo})
	expect(t, "no such directory", err, unix.ENOENT)
}

func TestResolveAllowOther(t *testing.T) {
	dir := t.TempDir()
	conf := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open, shut, none := conf("open", "# c\n user_allow_other \n"), conf("shut", "#user_allow_other\n"), filepath.Join(dir, "none")
	for _, c := range []struct {
		want AllowOther
		euid int
		conf string
		got  bool
		err  error
	}{
		{AllowOtherAuto, 0, none, true, nil},
		{AllowOtherAuto, 1000, open, true, nil},
		{AllowOtherAuto, 1000, shut, false, nil},
		{AllowOtherAuto, 1000, none, false, nil},
		{AllowOtherYes, 0, shut, true, nil},
		{AllowOtherYes, 1000, open, true, nil},
		{AllowOtherYes, 1000, shut, false, syscall.EPERM},
		{AllowOtherNo, 0, open, false, nil},
	} {
		if got, err := resolveAllowOther(c.want, c.euid, c.conf); got != c.got || !errors.Is(err, c.err) {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
}

// TestUser mounts as an unprivileged user: the test binary runs itself as nobody,
// with the helper "serve".
func TestUser(t *testing.T) {
	needFUSE(t)
	if _, err := exec.LookPath("fusermount3"); err != nil {
		t.Skip(err)
	}
	if s, err := os.Stat("/dev/fuse"); err != nil || s.Mode()&0o006 != 0o006 {
		t.Skip("users may not open /dev/fuse here")
	}
	const nobody = 65534
	point := filepath.Join(t.TempDir(), "mnt")
	expect(t, "mkdir", os.Mkdir(point, 0o700), nil)
	expect(t, "chown", os.Chown(point, nobody, nobody), nil)
	for dir := filepath.Dir(point); dir != os.TempDir(); dir = filepath.Dir(dir) {
		expect(t, "chmod", os.Chmod(dir, 0o755), nil)
	}
	self := copyOf(t, "/proc/self/exe", filepath.Join(filepath.Dir(point), "test"))
	cmd := exec.CommandContext(t.Context(), self, point)
	cmd.Env = append(os.Environ(), helperVariable+"=serve")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	if out, err := cmd.CombinedOutput(); err != nil {
		unix.Unmount(point, unix.MNT_DETACH)
		t.Errorf("%v: %s", err, out)
	}
}

func copyOf(t *testing.T, from, to string) string {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// helpServe mounts at point, uses the file, finds it busy, and unmounts.
func helpServe(point string) error {
	f := New(Options{UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Mode: 0o600})
	if err := f.AddLUN("", "lun0", newMemLUN(lunSize, 0xff), nil); err != nil {
		return err
	}
	server, err := Mount(f, point, MountOptions{Source: "/etc/iscsifs/test.toml"})
	if err != nil {
		return err
	}
	fd, err := unix.Open(filepath.Join(point, "lun0"), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if _, err := unix.Pwrite(fd, make([]byte, 512), 0); err != nil {
		return err
	}
	if err := server.Unmount(); !errors.Is(err, unix.EBUSY) {
		return errors.Join(errors.New("unmount of a busy mount"), err)
	}
	if err := unix.Close(fd); err != nil {
		return err
	}
	return server.Unmount()
}
