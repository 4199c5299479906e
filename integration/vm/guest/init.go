package main

import (
	"fmt"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"

// stayInit is the life of process 1 where systemd is not: it starts what the test
// talks to, and reaps what nobody else does.
func stayInit() error {
	os.Setenv("PATH", path)
	for _, m := range []mount{{"tmpfs", "/run", "tmpfs"}, {"tmpfs", "/tmp", "tmpfs"}, {"devpts", "/dev/pts", "devpts"}} {
		if err := m.do(); err != nil {
			return err
		}
	}
	if out, err := exec.Command("modprobe", "-a", "fuse", "loop", "dm_mod").CombinedOutput(); err != nil {
		return fmt.Errorf("modprobe: %w: %s", err, out)
	}
	if err := network(); err != nil {
		return err
	}
	server := exec.Command(installed, "serve")
	server.Stdout, server.Stderr = os.Stdout, os.Stderr
	if err := server.Start(); err != nil {
		return err
	}
	return reap(server.Process.Pid)
}

// reap returns when the process main has ended.
func reap(main int) error {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid == main {
			return err
		}
	}
}
