package cache

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestSyncOnlyWhenWritten(t *testing.T) {
	disk := newFakeDisk(t, 512, 8)
	v := open(t, disk, VolumeOptions{})
	for i, want := range []int64{0, 1, 1, 2} {
		if i%2 == 1 {
			mustWrite(t, v)
		}
		if v.Unsynced() != (i%2 == 1) {
			t.Errorf("step %d: Unsynced is %v", i, v.Unsynced())
		}
		if err := v.Sync(t.Context()); err != nil {
			t.Error(err)
		}
		if got := disk.syncs.Load(); got != want || disk.writes.Load() != want {
			t.Errorf("step %d: %d commands, want %d", i, got, want)
		}
	}
}

// TestSyncFailureIsTriedAgain: with a Sync that fails, and with a write-back.
func TestSyncFailureIsTriedAgain(t *testing.T) {
	for name, fail := range map[string]func(d *fakeDisk, err error){
		"sync":  func(d *fakeDisk, err error) { d.onSync = func(context.Context) error { return err } },
		"write": func(d *fakeDisk, err error) { d.onWrite = func(context.Context, int64, int) error { return err } },
	} {
		disk := newFakeDisk(t, 512, 8)
		fail(disk, errFault)
		v := open(t, disk, VolumeOptions{FlushInterval: time.Hour})
		mustWrite(t, v)
		for want := range uint64(3) {
			v.back.timer.Stop() // the background would try again too
			if err := v.Sync(t.Context()); err != errFault || v.Failures() < want+1 || !v.Unsynced() {
				t.Errorf("%s: %v, %d failures, unsynced %v", name, err, v.Failures(), v.Unsynced())
			}
		}
		fail(disk, nil)
		if err := v.Sync(t.Context()); err != nil || v.Unsynced() || v.Failures() < 3 || disk.data[0] != 1 {
			t.Errorf("%s: %v, %d failures, unsynced %v", name, err, v.Failures(), v.Unsynced())
		}
	}
}

// TestRestart has the target lose its volatile memory at every point of a
// write's way to the medium: it is there after the next Sync in any case.
func TestRestart(t *testing.T) {
	for _, mode := range []Mode{Writeback, Writethrough, None} {
		for _, point := range []string{"before", "write", "between", "sync", "after"} {
			disk := newFakeDisk(t, 512, 8)
			disk.volatile()
			lose := func(now string) {
				if now == point {
					disk.mu.Lock()
					copy(disk.data, disk.durable)
					clear(disk.unsafe)
					disk.epoch.Add(1)
					disk.mu.Unlock()
					point = ""
				}
			}
			v := open(t, disk, VolumeOptions{Mode: mode})
			disk.onWrite = func(context.Context, int64, int) error { lose("write"); return nil }
			disk.onSync = func(context.Context) error { lose("sync"); return nil }
			lose("before")
			mustWrite(t, v)
			if mode != Writeback {
				lose("between")
			}
			if err := v.Sync(t.Context()); err != nil {
				t.Error(err)
			}
			lose("after")
			if !bytes.Equal(disk.durable[:512], bytes.Repeat([]byte{1}, 512)) {
				t.Errorf("mode %d: lost", mode)
			}
			if v.Failures() != 0 {
				t.Errorf("mode %d: %d failures", mode, v.Failures())
			}
		}
	}
}

// TestRestartUnderOverwrite: of a block that is overwritten while a Sync is
// under way, the Sync still answers for what was there before.
func TestRestartUnderOverwrite(t *testing.T) {
	disk := newFakeDisk(t, 512, 8)
	disk.volatile()
	v := open(t, disk, VolumeOptions{})
	mustWrite(t, v)
	once := true
	disk.onSync = func(context.Context) error {
		if once {
			once = false
			if _, err := v.WriteAt(t.Context(), make([]byte, 512), 512); err != nil {
				t.Error(err)
			}
			disk.mu.Lock()
			defer disk.mu.Unlock()
			copy(disk.data, disk.durable)
			clear(disk.unsafe)
			disk.epoch.Add(1)
		}
		return nil
	}
	if err := v.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	if disk.durable[0] != 1 {
		t.Error("Sync answered for what the target had lost")
	}
}

// TestSyncsShareACommand: of three Syncs at a time, the two that wait while a
// command is out for an earlier write share the next.
func TestSyncsShareACommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 8)
		step := make(chan struct{})
		disk.onSync = func(context.Context) error { <-step; return nil }
		v := open(t, disk, VolumeOptions{})
		results := make(chan error, 3)
		sync := func() { results <- v.Sync(t.Context()) }
		mustWrite(t, v)
		go sync()
		synctest.Wait()
		mustWrite(t, v)
		go sync()
		go sync()
		synctest.Wait()
		step <- struct{}{}
		if err := <-results; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if len(results) > 0 {
			t.Error("a Sync returned on the word of a command that was sent before its write ended")
		}
		step <- struct{}{}
		<-results
		<-results
		if got := disk.syncs.Load(); got != 2 {
			t.Errorf("%d commands, want 2", got)
		}
	})
}

// TestSyncLeaderGivesUp: of two that wait for the next command, the one that
// sends it gives up; the other is not ended with it.
func TestSyncLeaderGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 8)
		step := make(chan struct{})
		disk.onSync = func(ctx context.Context) error {
			select {
			case <-step:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		v := open(t, disk, VolumeOptions{})
		ctx, cancel := context.WithCancel(t.Context())
		first, leader, follower := make(chan error), make(chan error), make(chan error)
		for _, c := range []struct {
			ctx    context.Context
			result chan error
		}{{t.Context(), first}, {ctx, leader}, {t.Context(), follower}} {
			mustWrite(t, v)
			go func() { c.result <- v.Sync(c.ctx) }()
			synctest.Wait()
		}
		step <- struct{}{}
		if err := <-first; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		cancel()
		// Who of the two was woken first sends the command; the other one
		// waits for it.
		if err := <-leader; !errors.Is(err, context.Canceled) {
			t.Errorf("leader: %v", err)
		}
		synctest.Wait()
		step <- struct{}{}
		if err := <-follower; err != nil || v.Unsynced() || v.Failures() != 0 {
			t.Errorf("follower: %v, unsynced %v, %d failures", err, v.Unsynced(), v.Failures())
		}
	})
}

// TestHeldBack: after an error that says so, nothing is written until WriteLate.
func TestHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 8)
		disk.onWrite = func(context.Context, int64, int) error { return errFault }
		v := open(t, disk, VolumeOptions{HoldLate: func(err error) bool { return err == errFault }})
		mustWrite(t, v)
		if err := v.Sync(t.Context()); err != errFault || !v.Late() {
			t.Errorf("first sync: %v, late %v", err, v.Late())
		}
		disk.onWrite = nil
		writes := disk.writes.Load()
		time.Sleep(time.Minute)
		if err := v.Sync(t.Context()); err != ErrLate || disk.writes.Load() != writes {
			t.Errorf("second sync: %v, %d writes", err, disk.writes.Load()-writes)
		}
		v.WriteLate()
		if err := v.Sync(t.Context()); err != nil || disk.data[0] != 1 {
			t.Errorf("third sync: %v", err)
		}
	})
}

// TestSyncOfWhatIsOverwritten: a block is overwritten while its write-back is
// under way. That the new content waits in memory says nothing of the old one,
// for which the target has answered: it is to be synchronized all the same.
func TestSyncOfWhatIsOverwritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 8)
		step := make(chan struct{})
		disk.onWrite = func(context.Context, int64, int) error { <-step; return nil }
		v := open(t, disk, VolumeOptions{})
		mustWrite(t, v)
		done := make(chan error)
		go func() { done <- v.Sync(t.Context()) }()
		synctest.Wait()
		mustWrite(t, v)
		step <- struct{}{}
		if err := <-done; err != nil || disk.syncs.Load() != 1 || !v.Unsynced() {
			t.Errorf("%v after %d synchronizations, unsynced %v", err, disk.syncs.Load(), v.Unsynced())
		}
		close(step)
	})
}

// TestRefused: what may not be written is refused, also where a writer waits for
// room, and what is dirty stays until the disk takes it.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 1<<15)
		var refuse atomic.Pointer[error]
		fault := errFault
		disk.onWrite = func(context.Context, int64, int) error { return errFault }
		v := open(t, disk, VolumeOptions{DirtyLimit: 1 << 20, Refuse: func() error {
			if err := refuse.Load(); err != nil {
				return *err
			}
			return nil
		}})
		mustWrite(t, v)
		waiting := make(chan error, 1)
		go func() {
			_, err := v.WriteAt(t.Context(), make([]byte, 4<<20), 0)
			waiting <- err
		}()
		time.Sleep(time.Minute)
		refuse.Store(&fault)
		if err := <-waiting; err != errFault {
			t.Errorf("a writer that waits for room: %v", err)
		}
		if _, err := v.WriteAt(t.Context(), []byte{1}, 0); err != errFault {
			t.Errorf("a new writer: %v", err)
		}
		dirty := v.Stats().DirtyBytes
		if time.Sleep(time.Minute); dirty == 0 || v.Stats().DirtyBytes != dirty {
			t.Errorf("%d bytes dirty, then %d", dirty, v.Stats().DirtyBytes)
		}
		disk.onWrite = nil
		refuse.Store(nil)
		v.WriteLate()
		synctest.Wait()
		time.Sleep(20 * time.Millisecond)
		if left := v.Stats().DirtyBytes; left >= dirty {
			t.Errorf("%d bytes dirty after WriteLate, %d before", left, dirty)
		}
		mustWrite(t, v)
		if err := v.Sync(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
