package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"

	"github.com/iscsifs/iscsifs/integration/tgt"
)

// scene is a disk in RAM and the target that serves it.
type scene struct {
	dir string // in /dev/shm
	tgt *tgt.Daemon
	lun lun
}

// lun is where a LUN is found.
type lun struct {
	portal string // host:port
	iqn    string
	number int
	size   int64 // bytes
}

// url is how libiscsi's tools name it.
func (l lun) url() string { return fmt.Sprintf("iscsi://%s/%s/%d", l.portal, l.iqn, l.number) }

// through is the same LUN behind another address.
func (l lun) through(portal string) lun {
	l.portal = portal
	return l
}

// newScene serves a disk of size bytes; close undoes it.
func newScene(ctx context.Context, size int64) (*scene, error) {
	dir, err := os.MkdirTemp("/dev/shm", "iscsifs-bench-")
	if err != nil {
		return nil, err
	}
	s := &scene{dir: dir}
	if err := s.serve(ctx, size); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func (s *scene) serve(ctx context.Context, size int64) error {
	disk := filepath.Join(s.dir, "disk")
	if err := fill(ctx, disk, size); err != nil {
		return err
	}
	var err error
	if s.tgt, err = tgt.Start(); err != nil {
		return err
	}
	s.lun = lun{portal: s.tgt.Portal(), iqn: "iqn.2026-11.org.example:bench", size: size}
	target, err := s.tgt.AddTarget(s.lun.iqn, nil)
	if err != nil {
		return err
	}
	s.lun.number, err = target.AddLUN(tgt.LUN{Path: disk})
	return err
}

// close ends the target and frees the memory. Who uses the LUN must be gone.
func (s *scene) close() {
	if s.tgt != nil {
		s.tgt.Close()
	}
	os.RemoveAll(s.dir)
}

// fill makes a file of size bytes, a multiple of 1 MiB, all of it written: a
// hole would be read faster than data, and a disk has none.
func fill(ctx context.Context, path string, size int64) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	data := make([]byte, mib)
	rand.Read(data)
	for range size / mib {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if _, err := f.Write(data); err != nil {
			return err
		}
	}
	return f.Close()
}
