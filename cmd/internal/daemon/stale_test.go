package daemon

import (
	"context"
	"errors"
	"testing"
)

// reads returns the first byte of the LUN's file.
func (l *lun) reads(t *testing.T) byte {
	t.Helper()
	p := make([]byte, 4096)
	if _, err := l.volume.ReadAt(t.Context(), p, 0); err != nil {
		t.Fatal(err)
	}
	return p[0]
}

// otherHostWrites changes the medium behind this host's back.
func (d *fakeDisk) otherHostWrites(b byte) { d.change(func() { d.data[0] = b }) }

// A login that was interrupted after it had reserved the LUN again does not leave what
// was read before in service: the next one forgets it.
func TestInterruptedLogin(t *testing.T) {
	s, _, disk := exclusiveSite()
	d := served(t, s)
	l := d.attached()[0]
	if got := l.reads(t); got != 0 {
		t.Fatalf("read %q", got)
	}
	under, end := make(chan struct{}), make(chan struct{})
	disk.change(func() { disk.onWrite = func() { under <- struct{}{}; <-end } })
	if _, err := l.volume.WriteAt(t.Context(), make([]byte, 4096), 512<<10); err != nil {
		t.Fatal(err)
	}
	flushed := make(chan error, 1)
	go func() { flushed <- l.volume.Sync(t.Context()) }()
	<-under // Distrust waits for its end
	disk.change(func() { disk.onWrite = nil })
	disk.loseReservation()
	disk.otherHostWrites('b')
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if err := d.Login(ctx, LoginOptions{IQN: "all"}); !errors.Is(err, context.Canceled) {
		t.Fatalf("login was not interrupted: %v", err)
	}
	if err := l.writable(); err != nil {
		t.Fatalf("not reserved again, so nothing is tested: %v", err)
	}
	close(end)
	if err := <-flushed; err != nil {
		t.Fatal(err)
	}
	if err := d.Login(t.Context(), LoginOptions{IQN: "all"}); err != nil {
		t.Fatal(err)
	}
	if got := l.reads(t); got != 'b' {
		t.Errorf("read %q, another host has written b", got)
	}
}

// What was read of a LUN before it was reserved is not believed after.
func TestReservedLaterIsReadAgain(t *testing.T) {
	s, _, disk := exclusiveSite()
	disk.info.Mode.WriteProtect = true
	d := served(t, s)
	l := d.attached()[0]
	if got := l.reads(t); got != 0 {
		t.Fatalf("read %q", got)
	}
	disk.otherHostWrites('b')
	disk.change(func() { disk.info.Mode.WriteProtect = false })
	if err := d.follow(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if got := l.reads(t); got != 'b' {
		t.Errorf("read %q, another host has written b", got)
	}
}
