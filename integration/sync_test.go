package integration

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSynchronizeCache watches the wire: before a call that promises
// permanence returns, SYNCHRONIZE CACHE has followed the write.
func TestSynchronizeCache(t *testing.T) {
	needRoot(t)
	for name, c := range map[string]struct {
		flags int
		after func(f *os.File) error
	}{
		"fsync":     {after: (*os.File).Sync},
		"fdatasync": {after: func(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }},
		"close":     {after: (*os.File).Close},
		"O_SYNC":    {flags: os.O_SYNC},
		"O_DSYNC":   {flags: unix.O_DSYNC},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			s := h.serve(nil, disk{size: smallDisk})
			wire := tap(t, s.portal)
			config := s.config()
			config.portal = wire.Addr()
			m := h.mount(config)
			f := open(t, m.lun(1), os.O_RDWR|c.flags)
			before := len(wire.seen())
			if _, err := f.WriteAt(bytes.Repeat([]byte{7}, 9000), 5000); err != nil {
				t.Fatal(err)
			}
			if c.after != nil {
				if err := c.after(f); err != nil {
					t.Fatal(err)
				}
			}
			wantSyncAfterWrite(t, wire.seen()[before:])
		})
	}
}

func wantSyncAfterWrite(t *testing.T, commands []byte) {
	t.Helper()
	write := last(commands, opWrite10, opWrite16)
	if write < 0 || last(commands, opSynchronizeCache10, opSynchronizeCache16) < write {
		t.Errorf("commands %x: want a WRITE and a SYNCHRONIZE CACHE after it", commands)
	}
}

// last is the place of the last command that is one of operations, or -1.
func last(commands []byte, operations ...byte) int {
	at := -1
	for _, op := range operations {
		at = max(at, bytes.LastIndexByte(commands, op))
	}
	return at
}

func synchronizations(commands []byte) int {
	return bytes.Count(commands, []byte{opSynchronizeCache16}) + bytes.Count(commands, []byte{opSynchronizeCache10})
}

// An fsync with nothing to synchronize sends nothing.
func TestSecondSyncIsFree(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk})
	wire := tap(t, s.portal)
	config := s.config()
	config.portal = wire.Addr()
	f := open(t, h.mount(config).lun(1), os.O_RDWR)
	if _, err := f.WriteAt([]byte("once"), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	before := synchronizations(wire.seen())
	for range 10 {
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	after := synchronizations(wire.seen())
	if before == 0 || after != before {
		t.Errorf("%d SYNCHRONIZE CACHE after the first fsync, %d after ten more", before, after)
	}
}
