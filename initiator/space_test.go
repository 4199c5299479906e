package initiator

import (
	"errors"
	"syscall"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/scsi"
	"github.com/iscsifs/iscsifs/integration/target"
)

// TestSpaceExhausted: a write for which a thin pool has no blocks fails with ENOSPC
// and has written nothing; that is told once, and its end when the write succeeds.
func TestSpaceExhausted(t *testing.T) {
	var events eventLog
	lun := target.NewMemoryLUN(8<<20, 512, target.Thin())
	l := newLab(t, func(tc *target.Config, c *Config) { tc.LUNs, c.OnEvent = []*target.LUN{lun}, events.add })
	l.lun = lun
	lun.SetPool(64<<10, 0)
	l.write(pattern(1, 64<<10), 0)
	for range 2 {
		_, err := l.disk.WriteAt(timeout(t), pattern(2, 4096), 1<<20)
		wantErrno(t, err, syscall.ENOSPC)
		wantErrno(t, l.disk.Zero(timeout(t), 2<<20, 64<<10), syscall.ENOSPC)
	}
	l.holds(make([]byte, 4096), 1<<20)
	events.await(t, SpaceChanged, scsi.LUN{}, nil)
	if st := l.disk.Status(); st.Space != SpaceExhausted || st.SpaceSince.IsZero() || st.State != DiskReady {
		t.Errorf("status %+v", st)
	}
	l.write(pattern(3, 64<<10), 0) // needs no new blocks
	if st := l.disk.Status(); st.Space != SpaceExhausted {
		t.Errorf("status %+v", st)
	}
	if err := l.disk.Deallocate(timeout(t), 0, 64<<10); err != nil {
		t.Fatal(err)
	}
	l.write(pattern(4, 64<<10), 2<<20)
	events.await(t, SpaceChanged, scsi.LUN{}, nil)
	if st := l.disk.Status(); st.Space != SpaceEnough {
		t.Errorf("status %+v", st)
	}
	l.holds(pattern(4, 64<<10), 2<<20)
	if n := events.len(); n != 0 {
		t.Errorf("%d more events", n)
	}
}

func wantErrno(t *testing.T, err error, want syscall.Errno) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.Errno() != want {
		t.Errorf("error %v, want %v", err, want)
	}
}

// TestSoftThreshold: the unit attention 38/07 is told once, however often it comes;
// the command that brings it is sent again.
func TestSoftThreshold(t *testing.T) {
	var events eventLog
	lun := target.NewMemoryLUN(8<<20, 512, target.Thin())
	l := newLab(t, func(tc *target.Config, c *Config) { tc.LUNs, c.OnEvent = []*target.LUN{lun}, events.add })
	l.lun = lun
	lun.SetPool(0, 128<<10)
	for i := range 4 {
		l.write(pattern(uint64(i), 64<<10), int64(i)<<16)
	}
	events.await(t, SpaceChanged, scsi.LUN{}, nil)
	l.lun.QueueUnitAttention(0x38, 0x07)
	l.read(512, 0)
	if st := l.disk.Status(); st.Space != SpaceLow || st.SpaceSince.IsZero() || st.Space.String() != "soft threshold reached" {
		t.Errorf("status %+v", st)
	}
	if n := events.len(); n != 0 {
		t.Errorf("%d more events", n)
	}
	for i := range 4 {
		l.holds(pattern(uint64(i), 64<<10), int64(i)<<16)
	}
}

// TestUnitSpace: what one path has heard of is the unit's, and told once.
func TestUnitSpace(t *testing.T) {
	var events eventLog
	lun := target.NewMemoryLUN(8<<20, 512, target.Thin(), target.NAA("6001405000000001"+"0000000000000001"))
	l := newPathsLab(t, 2, func(tc *target.Config, c *Config) { tc.LUNs, c.OnEvent = []*target.LUN{lun}, events.add })
	l.lun = lun
	lun.SetPool(4096, 0)
	for range 4 {
		wantErrno(t, l.u.WritevAt(timeout(t), [][]byte{pattern(1, 8192)}, 0), syscall.ENOSPC)
	}
	events.await(t, SpaceChanged, scsi.LUN{}, nil)
	lun.SetPool(8192, 0)
	lun.QueueUnitAttention(0x38, 0x07)
	l.write(pattern(1, 8192), 0)
	for range 4 {
		l.read(512, 0)
	}
	await(t, "the soft threshold", func() bool { return l.u.Status().Space == SpaceLow })
	if n := events.len(); n > 2 { // to low, which may be twice, by way of the two
		t.Errorf("%d more events", n)
	}
}
