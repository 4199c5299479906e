package integration

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// exerciserVar, when set, makes the test binary exercise the file that its first
// argument names, as fsx does: random operations, of which each must find what those
// before it have left. A process of its own, since a test may not hold a LUN's file open
// while it starts others.
const exerciserVar = "ISCSIFS_TEST_EXERCISE"

// exerciser does random operations on a file, which nobody else writes, and knows what it
// must hold.
type exerciser struct {
	seed      uint64
	done      int // operations
	rng       *rand.Rand
	fresh     *rand.ChaCha8
	fd, dio   int // the second with O_DIRECT
	model     []byte
	buf       []byte // aligned
	log       []string
	mappable  bool
	punchable bool
}

// shownOperations is how many of the last operations a failure prints.
const shownOperations = 30

// exercise is the life of the process: its arguments are a file, a seed, and how long it
// lasts.
func exercise(args []string) error {
	seed, err := strconv.ParseUint(args[1], 10, 64)
	if err != nil {
		return err
	}
	length, err := time.ParseDuration(args[2])
	if err != nil {
		return err
	}
	x, err := newExerciser(args[0], seed)
	for end := time.Now().Add(length); err == nil && time.Now().Before(end); {
		err = x.run(100)
	}
	if err == nil {
		err = x.end()
	}
	return err
}

func newExerciser(path string, seed uint64) (*exerciser, error) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	x := &exerciser{seed: seed, rng: rand.New(rand.NewPCG(seed, 0)), fresh: rand.NewChaCha8(key), mappable: true, punchable: true}
	return x, x.open(path)
}

// run does n operations.
func (x *exerciser) run(n int) error {
	for range n {
		if err := x.step(); err != nil {
			return fmt.Errorf("seed %d, operation %d: %w; the last ones were:\n%s", x.seed, x.done, err, lines(x.log))
		}
		x.done++
	}
	return nil
}

func lines(log []string) (text string) {
	for _, line := range log {
		text += "\t" + line + "\n"
	}
	return text
}

func (x *exerciser) open(path string) (err error) {
	if x.fd, err = unix.Open(path, unix.O_RDWR, 0); err != nil {
		return err
	}
	if x.dio, err = unix.Open(path, unix.O_RDWR|unix.O_DIRECT, 0); err != nil {
		return err
	}
	if x.model, err = os.ReadFile(path); err != nil {
		return err
	}
	x.buf, err = unix.Mmap(-1, 0, longestOperation, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	return err
}

// end compares all of the file, and closes it.
func (x *exerciser) end() error {
	return errors.Join(x.compare(), unix.Close(x.dio), unix.Close(x.fd))
}

func (x *exerciser) compare() error {
	got := make([]byte, len(x.model))
	if _, err := unix.Pread(x.fd, got, 0); err != nil {
		return err
	}
	return x.same("all of the file", got, 0)
}

const longestOperation = 256 * kib

// step is one operation, somewhere.
func (x *exerciser) step() error {
	n := 1 + x.rng.IntN(1<<(1+x.rng.IntN(18)))
	off := x.rng.IntN(len(x.model) - n + 1)
	if x.rng.IntN(3) == 0 { // whole blocks
		off, n = off&^4095, max(n&^4095, 4096)
	}
	kind := x.rng.IntN(len(exercises))
	x.log = append(x.log, fmt.Sprintf("%s of %d bytes at %d", exercises[kind].name, n, off))
	x.log = x.log[max(0, len(x.log)-shownOperations):]
	return exercises[kind].do(x, off, n)
}

var exercises = []struct {
	name string
	do   func(x *exerciser, off, n int) error
}{
	{"read", (*exerciser).read},
	{"read", (*exerciser).read},
	{"write", (*exerciser).write},
	{"write", (*exerciser).write},
	{"direct read", (*exerciser).directRead},
	{"direct write", (*exerciser).directWrite},
	{"mapped read", (*exerciser).mappedRead},
	{"mapped write", (*exerciser).mappedWrite},
	{"hole", (*exerciser).punch},
	{"zeroing", (*exerciser).zero},
	{"seek for data", (*exerciser).seekData},
	{"seek for a hole", (*exerciser).seekHole},
	{"sync", (*exerciser).sync},
}

// same compares what stands at off with what must be there.
func (x *exerciser) same(what string, got []byte, off int) error {
	want := x.model[off:][:len(got)]
	if bytes.Equal(got, want) {
		return nil
	}
	first := 0
	for got[first] == want[first] {
		first++
	}
	end := len(got)
	for got[end-1] == want[end-1] {
		end--
	}
	return fmt.Errorf("%s is wrong from byte %d to %d: it begins with %x and not with %x", what, off+first, off+end,
		got[first:min(end, first+8)], want[first:min(end, first+8)])
}

func (x *exerciser) read(off, n int) error { return x.readFrom(x.fd, off, n) }

func (x *exerciser) readFrom(fd, off, n int) error {
	got := x.buf[:n]
	if m, err := unix.Pread(fd, got, int64(off)); m != n || err != nil {
		return fmt.Errorf("%d bytes were read, %w", m, err)
	}
	return x.same("what was read", got, off)
}

func (x *exerciser) write(off, n int) error { return x.writeTo(x.fd, off, n) }

func (x *exerciser) writeTo(fd, off, n int) error {
	_, _ = x.fresh.Read(x.buf[:n])
	if m, err := unix.Pwrite(fd, x.buf[:n], int64(off)); m != n || err != nil {
		return fmt.Errorf("%d bytes were written, %w", m, err)
	}
	copy(x.model[off:], x.buf[:n])
	return nil
}

func (x *exerciser) directRead(off, n int) error  { return x.readFrom(x.dio, off, n) }
func (x *exerciser) directWrite(off, n int) error { return x.writeTo(x.dio, off, n) }

// mapped does something to the bytes in memory that the file is mapped to.
func (x *exerciser) mapped(off, n int, do func(part []byte) error) error {
	if !x.mappable {
		return nil
	}
	first := off &^ (unix.Getpagesize() - 1)
	memory, err := unix.Mmap(x.fd, int64(first), off+n-first, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err == unix.ENODEV { // Linux before 6.6
		x.mappable = false
		return nil
	}
	if err != nil {
		return err
	}
	err = do(memory[off-first:])
	if err == nil && x.rng.IntN(2) == 0 {
		err = unix.Msync(memory, unix.MS_SYNC)
	}
	return errors.Join(err, unix.Munmap(memory))
}

func (x *exerciser) mappedRead(off, n int) error {
	return x.mapped(off, n, func(part []byte) error { return x.same("what is mapped", part, off) })
}

func (x *exerciser) mappedWrite(off, n int) error {
	return x.mapped(off, n, func(part []byte) error {
		_, _ = x.fresh.Read(part)
		copy(x.model[off:], part)
		return nil
	})
}

func (x *exerciser) punch(off, n int) error {
	if !x.punchable {
		return nil
	}
	err := unix.Fallocate(x.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(off), int64(n))
	if err == unix.EOPNOTSUPP {
		x.punchable = false
		return nil
	}
	clear(x.model[off : off+n])
	return err
}

func (x *exerciser) zero(off, n int) error {
	mode := uint32(unix.FALLOC_FL_ZERO_RANGE)
	if x.rng.IntN(2) == 0 {
		mode |= unix.FALLOC_FL_KEEP_SIZE
	}
	clear(x.model[off : off+n])
	return unix.Fallocate(x.fd, mode, int64(off), int64(n))
}

// seekData finds no data behind data that it passes over.
func (x *exerciser) seekData(off, _ int) error {
	at, err := unix.Seek(x.fd, int64(off), unix.SEEK_DATA)
	if err == unix.ENXIO {
		at, err = int64(len(x.model)), nil
	}
	if err != nil || at < int64(off) || at > int64(len(x.model)) {
		return fmt.Errorf("data at %d, %w", at, err)
	}
	return x.zeroes(off, int(at))
}

// seekHole finds a hole that is one, or the end.
func (x *exerciser) seekHole(off, _ int) error {
	at, err := unix.Seek(x.fd, int64(off), unix.SEEK_HOLE)
	if err != nil || at < int64(off) || at > int64(len(x.model)) {
		return fmt.Errorf("a hole at %d, %w", at, err)
	}
	return x.zeroes(int(at), min(int(at)+1, len(x.model)))
}

func (x *exerciser) zeroes(off, end int) error {
	if i := slices.IndexFunc(x.model[off:end], func(b byte) bool { return b != 0 }); i >= 0 {
		return fmt.Errorf("from %d to %d is a hole, but there is data at %d", off, end, off+i)
	}
	return nil
}

func (x *exerciser) sync(int, int) error {
	if x.rng.IntN(2) == 0 {
		return unix.Fdatasync(x.fd)
	}
	return unix.Fsync(x.fd)
}
