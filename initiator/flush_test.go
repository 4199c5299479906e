package initiator

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestFlush: SYNCHRONIZE CACHE (16), else (10), else what the target says of
// its cache.
func TestFlush(t *testing.T) {
	for name, c := range map[string]struct {
		options []target.Option
		refused []byte
		sent    []byte
		err     error
	}{
		"(16)":              {[]target.Option{target.WriteCache()}, nil, []byte{0x91, 0x91}, nil},
		"WCE=0 too":         {nil, nil, []byte{0x91, 0x91}, nil},
		"(10)":              {[]target.Option{target.WriteCache()}, []byte{0x91}, []byte{0x91, 0x35, 0x35}, nil},
		"none, WCE=0":       {[]target.Option{target.WithoutSynchronize()}, nil, []byte{0x91, 0x35}, nil},
		"none, WCE=1":       {[]target.Option{target.WithoutSynchronize(), target.WriteCache()}, nil, []byte{0x91, 0x35}, ErrNoFlush},
		"none, no page":     {[]target.Option{target.WithoutSynchronize(), target.WithoutCachingPage()}, nil, []byte{0x91, 0x35}, nil},
		"both refused, WCE": {[]target.Option{target.WriteCache()}, []byte{0x91, 0x35}, []byte{0x91, 0x35}, ErrNoFlush},
	} {
		t.Run(name, func(t *testing.T) {
			lun := target.NewMemoryLUN(1<<20, 512, c.options...)
			l := newLab(t, func(tc *target.Config, _ *Config) { tc.LUNs = []*target.LUN{lun} })
			l.lun = lun
			if c.refused != nil {
				l.OnExecute(target.SCSI(c.refused...), target.AnswerWith(target.CheckCondition(0x05, 0x20, 0x00)))
			}
			l.write(pattern(1, 512), 0)
			for range 2 {
				if err := l.disk.Sync(timeout(t)); !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
					t.Errorf("Sync: %v, want %v", err, c.err)
				}
			}
			var sent []byte
			for _, cmd := range l.Commands() {
				if cmd.Opcode == 0x91 || cmd.Opcode == 0x35 {
					sent = append(sent, cmd.Opcode)
				}
			}
			if !bytes.Equal(sent, c.sent) {
				t.Errorf("sent %x, want %x", sent, c.sent)
			}
			if l.disk.FlushUnsupported() != slices.Contains([]string{"none, WCE=0", "none, WCE=1", "none, no page", "both refused, WCE"}, name) {
				t.Errorf("FlushUnsupported: %v", l.disk.FlushUnsupported())
			}
		})
	}
}

// TestFlushIsDurable: after Sync a power failure of the target loses nothing;
// without, the epoch tells that it may have.
func TestFlushIsDurable(t *testing.T) {
	lun := target.NewMemoryLUN(1<<20, 512, target.WriteCache())
	l := newLab(t, func(tc *target.Config, _ *Config) { tc.LUNs = []*target.LUN{lun} })
	l.lun = lun
	l.write(pattern(1, 4096), 0)
	if err := l.disk.Sync(timeout(t)); err != nil {
		t.Fatal(err)
	}
	l.write(pattern(2, 4096), 8192)
	epoch := l.disk.Epoch()
	l.hurry()
	if err := l.PowerCut(); err != nil {
		t.Fatal(err)
	}
	l.holds(pattern(1, 4096), 0)
	l.awaitReconnect(1)
	if l.disk.Epoch() == epoch {
		t.Error("the epoch is the same after a power failure")
	}
	same(t, "what was not synchronized", l.read(4096, 8192), make([]byte, 4096))
}
