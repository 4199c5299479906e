package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/iscsifs/iscsifs/integration/tgt"
)

const (
	iqn = "iqn.2026-11.org.example:bench"
	lun = 1
)

// scene is a tgt LUN in RAM and a mount of it.
type scene struct {
	program string
	dir     string // in /dev/shm
	tgt     *tgt.Daemon
	point   string
	mounted bool
}

// newScene serves the LUN and mounts it; close undoes it.
func newScene(ctx context.Context, o options) (*scene, error) {
	program, err := filepath.Abs(o.program)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("/dev/shm", "iscsifs-bench-")
	if err != nil {
		return nil, err
	}
	s := &scene{program: program, dir: dir, point: filepath.Join(dir, "luns")}
	if err = s.serve(ctx, o.size); err == nil {
		err = s.mount(ctx)
	}
	if err != nil {
		s.close()
	}
	return s, err
}

// serve starts the target with its disk of size bytes, all of them written.
func (s *scene) serve(ctx context.Context, size int64) error {
	disk := filepath.Join(s.dir, "disk")
	if _, err := output(ctx, "dd", "if=/dev/urandom", "of="+disk, "bs=1M", "iflag=count_bytes", fmt.Sprintf("count=%d", size), "status=none"); err != nil {
		return err
	}
	var err error
	if s.tgt, err = tgt.Start(); err != nil {
		return err
	}
	target, err := s.tgt.AddTarget(iqn, nil)
	if err != nil {
		return err
	}
	_, err = target.AddLUN(tgt.LUN{Path: disk})
	return err
}

func (s *scene) mount(ctx context.Context) error {
	config := filepath.Join(s.dir, "bench.toml")
	text := fmt.Sprintf("[initiator]\nname = \"iqn.2026-11.org.example:bench-host\"\n[[target]]\nportals = [%q]\niqn = %q\n", s.tgt.Portal(), iqn)
	if err := errors.Join(os.WriteFile(config, []byte(text), 0o600), os.Mkdir(s.point, 0o755)); err != nil {
		return err
	}
	_, err := output(ctx, s.program, "mount", config, s.point)
	s.mounted = err == nil
	return err
}

func (s *scene) close() {
	if s.mounted {
		if _, err := output(context.Background(), s.program, "umount", s.point); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return // what is still mounted needs its target
		}
	}
	if s.tgt != nil {
		s.tgt.Close()
	}
	os.RemoveAll(s.dir)
}

func (s *scene) version(ctx context.Context) (string, error) {
	out, err := output(ctx, s.program, "version")
	return strings.TrimSpace(out), err
}

// url names the LUN as libiscsi wants it.
func (s *scene) url() string { return fmt.Sprintf("iscsi://%s/%s/%d", s.tgt.Portal(), iqn, lun) }

// file is the same LUN in our mount.
func (s *scene) file() string { return filepath.Join(s.point, fmt.Sprintf("lun%d", lun)) }

// output runs a command and returns what it printed.
func output(ctx context.Context, name string, args ...string) (string, error) {
	var failed *exec.ExitError
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if errors.As(err, &failed) {
		return "", fmt.Errorf("%s: %w: %s", name, err, failed.Stderr)
	}
	return string(out), err
}
