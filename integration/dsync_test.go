package integration

import (
	"bytes"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/integration/target"
)

// durable is a mount of a LUN with a volatile cache, whose background is too slow to
// do by chance what a test waits for.
func durable(t *testing.T) (*host, *scripted, *mounted) {
	t.Helper()
	needRoot(t)
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512, target.WriteCache()))
	return h, s, h.mount(s.config("flush_interval = \"1h\""))
}

// TestDurableWrites: when a call returns that promises permanence, its bytes are on
// the target, whose last write was followed by SYNCHRONIZE CACHE.
func TestDurableWrites(t *testing.T) {
	const length, off = 9000, 5000 // parts of blocks at both ends
	data := bytes.Repeat([]byte{7}, length)
	openFor := func(flags int, write func(f *os.File) error) func(t *testing.T, path string) error {
		return func(t *testing.T, path string) error { return write(open(t, path, os.O_RDWR|flags)) }
	}
	write := func(f *os.File) error {
		_, err := f.WriteAt(data, off)
		return err
	}
	vector := func(flags int) func(f *os.File) error {
		return func(f *os.File) error {
			_, err := unix.Pwritev2(int(f.Fd()), [][]byte{data[:100], data[100:]}, off, flags)
			return err
		}
	}
	for name, call := range map[string]func(t *testing.T, path string) error{
		"O_SYNC":            openFor(unix.O_SYNC, write),
		"O_DSYNC":           openFor(unix.O_DSYNC, write),
		"O_DSYNC, O_DIRECT": openFor(unix.O_DSYNC|unix.O_DIRECT, write),
		"RWF_SYNC":          openFor(0, vector(unix.RWF_SYNC)),
		"RWF_DSYNC":         openFor(0, vector(unix.RWF_DSYNC)),
	} {
		t.Run(name, func(t *testing.T) {
			_, s, m := durable(t)
			before := len(s.Commands())
			if err := call(t, m.lun(0)); err != nil {
				t.Fatal(err)
			}
			s.wantDurable(t, before)
			if !bytes.Equal(s.medium(t, 0, off, length), data) {
				t.Error("the call has returned, but the data is not on the target")
			}
		})
	}
}

// wantDurable checks that there were writes since command n, and behind the last a
// SYNCHRONIZE CACHE that has succeeded. Then it cuts the LUN's power: what a test finds
// on the medium from here on was synchronized.
func (s *scripted) wantDurable(t *testing.T, n int) {
	t.Helper()
	write, synchronize := -1, -1
	for i, c := range s.since(n) {
		switch {
		case isWrite(c):
			write = i
		case isSynchronize(c) && c.Done && c.Status == 0:
			synchronize = i
		}
	}
	if write < 0 || synchronize < write {
		t.Errorf("the last write is command %d, the last SYNCHRONIZE CACHE %d", write, synchronize)
	}
	if err := s.luns[0].PowerCut(); err != nil {
		t.Fatal(err)
	}
}

// dd waits for each of its blocks.
func TestDurableDD(t *testing.T) {
	needTools(t, "dd")
	data := make([]byte, 64*kib)
	io.ReadFull(noise(1), data)
	for _, flag := range []string{"dsync", "sync"} {
		t.Run(flag, func(t *testing.T) {
			h, s, m := durable(t)
			before := len(s.Commands())
			h.sh(`dd if="$1" of="$2" bs=4k conv=notrunc oflag="$3" status=none`, h.write("data", string(data), 0o600), m.lun(0), flag)
			if n, _ := volume(s.since(before), isSynchronize); n < 16 {
				t.Errorf("%d SYNCHRONIZE CACHE for 16 writes", n)
			}
			s.wantDurable(t, before)
			if !bytes.Equal(s.medium(t, 0, 0, 64*kib), data) {
				t.Error("dd has ended, but its data is not on the target's medium")
			}
		})
	}
}

// TestDurableAIO: fio's libaio with an fsync behind every eighth write, or with O_DSYNC,
// has all of it on the target's medium, also when its power fails.
func TestDurableAIO(t *testing.T) {
	needTools(t, "fio")
	for name, durably := range map[string]fioJob{
		"fsync":   {"--fsync=8", "--end_fsync=1"},
		"O_DSYNC": {"--sync=dsync"},
	} {
		t.Run(name, func(t *testing.T) {
			h, s, m := durable(t)
			before := len(s.Commands())
			job := append(fioJob{"--ioengine=libaio", "--direct=1", "--iodepth=16", "--rw=randwrite", "--bs=4k", "--size=1m",
				"--verify=crc32c", "--do_verify=0"}, durably...)
			h.fio(job, m.lun(0))
			s.wantDurable(t, before)
			copied := h.write("medium", string(s.medium(t, 0, 0, smallDisk)), 0o600)
			h.fio(job, copied, "--verify_only=1", "--do_verify=1")
		})
	}
}
