package fusefs

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestOTruncErasesNothing until something is written.
func TestOTruncErasesNothing(t *testing.T) {
	m := mountLUN(t, Options{})
	before := m.lun.content()
	closeFD(t, open(t, m.file, unix.O_WRONLY|unix.O_TRUNC))
	if !bytes.Equal(m.lun.content(), before) {
		t.Error("O_TRUNC changed the LUN")
	}
	var stat unix.Stat_t
	expect(t, "stat", unix.Stat(m.file, &stat), nil)
	if stat.Size != lunSize {
		t.Errorf("size after O_TRUNC: %d", stat.Size)
	}
}

// TestGapsBecomeZeroes writes as cp does with a sparse file.
func TestGapsBecomeZeroes(t *testing.T) {
	m := mountLUN(t, Options{})
	fd := open(t, m.file, unix.O_WRONLY|unix.O_TRUNC)
	want := bytes.Repeat([]byte{0xff}, lunSize)
	clear(want[:9000])
	for _, off := range []int64{100, 3000, 5000, 4000} {
		p := random(700)
		copy(want[off:], p)
		pwrite(t, fd, p, off)
	}
	clear(want[5700:9000])
	expect(t, "ftruncate", unix.Ftruncate(fd, 9000), nil)
	if got := m.lun.content(); !bytes.Equal(got, want) {
		t.Errorf("gaps are not zero, or more is; first difference at %d", difference(got, want))
	}
	expect(t, "ftruncate back", unix.Ftruncate(fd, 8999), unix.EINVAL)
	expect(t, "ftruncate to the same", unix.Ftruncate(fd, 9000), nil)
	expect(t, "ftruncate past the end", unix.Ftruncate(fd, lunSize+1), unix.EINVAL)
	closeFD(t, fd)
	if !bytes.Equal(m.lun.content(), want) {
		t.Error("close changed the LUN")
	}
}

func difference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

// TestGapsAndParallelWriters: no writer's bytes are zeroed by another one's gap.
func TestGapsAndParallelWriters(t *testing.T) {
	m := mountLUN(t, Options{})
	fd := open(t, m.file, unix.O_WRONLY|unix.O_TRUNC)
	const piece = 4096
	want := make([]byte, lunSize)
	var wg sync.WaitGroup
	for start := range 8 {
		wg.Go(func() {
			for _, i := range rand.Perm(lunSize / piece / 8) {
				off := (i*8 + start) * piece
				if off%3 == 0 { // a gap
					continue
				}
				p := want[off : off+piece]
				copy(p, random(piece))
				if _, err := unix.Pwrite(fd, p, int64(off)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	expect(t, "ftruncate", unix.Ftruncate(fd, lunSize), nil)
	closeFD(t, fd)
	if got := m.lun.content(); !bytes.Equal(got, want) {
		t.Errorf("first difference at %d", difference(got, want))
	}
}

func TestTruncate(t *testing.T) {
	m := mountLUN(t, Options{})
	fd := open(t, m.file, unix.O_RDWR)
	for size, want := range map[int64]error{0: unix.EINVAL, 512: unix.EINVAL, lunSize: nil, lunSize + 1: unix.EINVAL} {
		expect(t, fmt.Sprintf("truncate to %d", size), unix.Truncate(m.file, size), want)
		expect(t, fmt.Sprintf("ftruncate to %d", size), unix.Ftruncate(fd, size), want)
	}
	closeFD(t, fd)
	if !bytes.Equal(m.lun.content(), bytes.Repeat([]byte{0xff}, lunSize)) {
		t.Error("truncate changed the LUN")
	}
}

// TestSparseImages copies a sparse image onto a LUN full of 0xFF.
func TestSparseImages(t *testing.T) {
	image := `umask 077; truncate -s 1M $TMP/lun0
		for at in 3 40 41 200; do dd if=/dev/urandom of=$TMP/lun0 bs=4k count=1 seek=$at conv=notrunc status=none; done; `
	for name, command := range map[string]string{
		"cp":          "cp --sparse=always $TMP/lun0 $LUN",
		"cp as it is": "cp $TMP/lun0 $LUN",
		"tar":         "tar -C $TMP -Scf $TMP/tar lun0; tar -C $(dirname $LUN) --overwrite -xf $TMP/tar",
		"shell":       "cat $TMP/lun0 > $LUN",
		"dd O_DIRECT": "dd if=$TMP/lun0 of=$LUN bs=64k oflag=direct status=none",
	} {
		t.Run(name, func(t *testing.T) {
			m := mountLUN(t, Options{})
			if out, err := shell(t, m, image+command+"; cmp $TMP/lun0 $LUN").CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}

// Who is killed does not wait for another's zeroes.
func TestTruncateIsNotWaitedFor(t *testing.T) {
	lun := newMemLUN(lunSize, 1)
	open := lun.close()
	g := newGap()
	done := make(chan error, 1)
	go func() { done <- g.advance(context.Background(), lun, 4096, 8192) }()
	eventually(t, "it waits", func() bool { return lun.waiting.Load() == 1 })
	killed, kill := context.WithCancel(t.Context())
	kill()
	truncated := make(chan error, 1)
	go func() { truncated <- g.truncate(killed, lun, lunSize) }()
	select {
	case err := <-truncated:
		expect(t, "truncate", err, context.Canceled)
	case <-time.After(10 * time.Second):
		t.Error("it waits")
	}
	open()
	expect(t, "advance", <-done, nil)
}
