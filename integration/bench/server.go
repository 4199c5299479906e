package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// server is a process that presents a LUN, or what passes for one, as a file.
type server interface {
	name() string
	file() string
	pid() int
	settle(context.Context) error // returns when nothing written waits to be written back
	close() error                 // ends it and its mount, whatever state they are in
}

// measure does a job with the file that s presents, and tells what processor
// time of s that took. What s puts off until after the job counts there too.
func measure(ctx context.Context, s server, j job, size int64, t turn) (sample, error) {
	if err := prepare(ctx, s, j, size); err != nil {
		return sample{}, err
	}
	before, err := cpuTime(s.pid())
	if err != nil {
		return sample{}, err
	}
	got, err := fio(ctx, j, s.file(), size, t)
	if err != nil {
		return sample{}, fmt.Errorf("%s: %w", s.name(), err)
	}
	if j.writes() {
		if err := s.settle(ctx); err != nil {
			return sample{}, err
		}
	}
	after, err := cpuTime(s.pid())
	got.cpu = after - before
	return got, err
}

// prepare reads what the job wants to find in the cache.
func prepare(ctx context.Context, s server, j job, size int64) error {
	if !j.warm {
		return nil
	}
	if _, err := fio(ctx, j.warmUp(), s.file(), size, turn{seconds: int(patience / time.Second)}); err != nil {
		return fmt.Errorf("%s: %w", s.name(), err)
	}
	return nil
}

// fuseMagic is the type of a FUSE file system in statfs(2).
const fuseMagic = 0x65735546

// awaitMount returns when path has become a FUSE mount; or with an error when the
// process that is to mount it has ended, ctx has, or patience has.
func awaitMount(ctx context.Context, path string, exited <-chan struct{}) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s was not mounted within %v", path, patience))
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if isFUSE(path) {
			return nil
		}
		select {
		case <-tick.C:
		case <-exited:
			return fmt.Errorf("ended without mounting %s", path)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// isFUSE tells whether a FUSE file system that answers is mounted at path.
func isFUSE(path string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(path, &fs) == nil && fs.Type == fuseMagic
}

// detach takes a mount away from a process that did not do it by itself.
func detach(path string) {
	if err := unix.Unmount(path, unix.MNT_DETACH); err == nil {
		fmt.Fprintf(os.Stderr, "bench: %s had to be unmounted by force\n", path)
	}
}
