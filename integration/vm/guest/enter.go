package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// enter is the life of the initramfs: it ends in the init of the root file system,
// which is mounted at root until then.
func enter(root string) error {
	for _, m := range []mount{{"devtmpfs", "/dev", "devtmpfs"}, {"proc", "/proc", "proc"}, {"sysfs", "/sys", "sysfs"}} {
		if err := m.do(); err != nil {
			return err
		}
	}
	if err := loadAll("/early"); err != nil {
		return err
	}
	if err := awaitFile("/dev/vda"); err != nil {
		return err
	}
	if err := (mount{"/dev/vda", root, "ext4"}).do(); err != nil {
		return err
	}
	if err := copyTree("/files", root); err != nil {
		return err
	}
	if err := copyFile("/init", filepath.Join(root, installed), 0o755); err != nil {
		return err
	}
	return switchRoot(root, parameter("guest.init"))
}

type mount struct{ source, point, fstype string }

func (m mount) do() error {
	os.MkdirAll(m.point, 0o755)
	if err := unix.Mount(m.source, m.point, m.fstype, 0, ""); err != nil {
		return fmt.Errorf("mount %s at %s: %w", m.source, m.point, err)
	}
	return nil
}

// loadAll loads the modules of a directory in the order of their names.
func loadAll(dir string) error {
	files, _ := filepath.Glob(filepath.Join(dir, "*.ko"))
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		err = unix.FinitModule(int(f.Fd()), "", 0)
		f.Close()
		if err != nil && err != unix.EEXIST {
			return fmt.Errorf("load %s: %w", file, err)
		}
	}
	return nil
}

// awaitFile waits for a device that its driver is just finding.
func awaitFile(path string) error {
	for range 1000 {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%s does not appear", path)
}

// copyTree adds the files and links below one directory to another.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		target := filepath.Join(to, strings.TrimPrefix(path, from))
		info, err := e.Info()
		switch {
		case err != nil:
			return err
		case e.IsDir():
			return os.MkdirAll(target, 0o755)
		case info.Mode().Type() == fs.ModeSymlink:
			link, err := os.Readlink(path)
			if err != nil {
				return err
			}
			return os.Symlink(link, target)
		default:
			return copyFile(path, target, info.Mode().Perm())
		}
	})
}

func copyFile(from, to string, mode fs.FileMode) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	w, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(w, r); err != nil {
		w.Close()
		return err
	}
	return w.Close()
}

// switchRoot makes root the root directory, with the kernel's file systems moved
// into it, and becomes its init.
func switchRoot(root, init string) error {
	for _, dir := range []string{"/dev", "/proc", "/sys"} {
		if err := unix.Mount(dir, root+dir, "", unix.MS_MOVE, ""); err != nil {
			return fmt.Errorf("move %s: %w", dir, err)
		}
	}
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("move the root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return err
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	args := strings.Split(init, ",")
	return fmt.Errorf("%s: %w", init, unix.Exec(args[0], args, os.Environ()))
}

// parameter is a setting of the kernel's command line.
func parameter(name string) string {
	line, _ := os.ReadFile("/proc/cmdline")
	for _, word := range strings.Fields(string(line)) {
		if value, ok := strings.CutPrefix(word, name+"="); ok {
			return value
		}
	}
	return ""
}
