package cache

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestSyncOnlyWhenWritten(t *testing.T) {
	disk := newFakeDisk(t, 512, 8)
	v := New(disk, Options{})
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
		if got := disk.syncs.Load(); got != want {
			t.Errorf("step %d: %d commands, want %d", i, got, want)
		}
	}
}

func TestSyncFailureIsTriedAgain(t *testing.T) {
	disk := newFakeDisk(t, 512, 8)
	disk.onSync = func() error { return errFault }
	v := New(disk, Options{})
	mustWrite(t, v)
	for want := range uint64(3) {
		if err := v.Sync(t.Context()); err != errFault || v.Failures() != want+1 || !v.Unsynced() {
			t.Errorf("%v, %d failures, unsynced %v", err, v.Failures(), v.Unsynced())
		}
	}
	disk.onSync = nil
	if err := v.Sync(t.Context()); err != nil || v.Unsynced() || v.Failures() != 3 {
		t.Errorf("%v, %d failures, unsynced %v", err, v.Failures(), v.Unsynced())
	}
}

// TestEpoch changes the epoch at every point of a write's way to the medium.
func TestEpoch(t *testing.T) {
	for name, c := range map[string]struct {
		at   func(d *fakeDisk, when string)
		want error
	}{
		"before the write":        {changeAt("before"), nil},
		"during the write":        {changeAt("write"), ErrLost},
		"between write and sync":  {changeAt("between"), ErrLost},
		"while sync is under way": {changeAt("sync"), ErrLost},
		"after the sync":          {changeAt("after"), nil},
	} {
		t.Run(name, func(t *testing.T) {
			disk := newFakeDisk(t, 512, 8)
			v := New(disk, Options{})
			disk.onWrite = func() { c.at(disk, "write") }
			disk.onSync = func() error { c.at(disk, "sync"); return nil }
			c.at(disk, "before")
			mustWrite(t, v)
			c.at(disk, "between")
			if err := v.Sync(t.Context()); err != c.want {
				t.Errorf("sync: %v, want %v", err, c.want)
			}
			c.at(disk, "after")
			// The loss is told once; what is written from now on is safe.
			disk.onWrite, disk.onSync = nil, nil
			if err := v.Sync(t.Context()); err != nil {
				t.Errorf("second sync: %v", err)
			}
			mustWrite(t, v)
			if err := v.Sync(t.Context()); err != nil {
				t.Errorf("third sync: %v", err)
			}
			if lost := v.Failures() == 1; lost != (c.want != nil) {
				t.Errorf("%d failures", v.Failures())
			}
		})
	}
}

func changeAt(point string) func(*fakeDisk, string) {
	return func(d *fakeDisk, when string) {
		if when == point {
			d.epoch.Add(1)
		}
	}
}

// TestLossIsNotForgotten loses a write that ended while the Sync of another was
// under way.
func TestLossIsNotForgotten(t *testing.T) {
	disk := newFakeDisk(t, 512, 8)
	v := New(disk, Options{})
	mustWrite(t, v)
	disk.onSync = func() error { mustWrite(t, v); disk.epoch.Add(1); mustWrite(t, v); return nil }
	if err := v.Sync(t.Context()); err != ErrLost {
		t.Errorf("first sync: %v", err)
	}
	disk.onSync = nil
	if err := v.Sync(t.Context()); err != ErrLost {
		t.Errorf("the sync of the write that was lost: %v", err)
	}
	if err := v.Sync(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestSyncsShareACommand: of three Syncs at a time, the two that wait while a
// command is out for an earlier write share the next.
func TestSyncsShareACommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 8)
		step := make(chan struct{})
		disk.onSync = func() error { <-step; return nil }
		v := New(disk, Options{})
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

// TestSyncLeaderGivesUp: who waits for another's command is not ended with it.
func TestSyncLeaderGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newFakeDisk(t, 512, 8)
		ctx, cancel := context.WithCancel(t.Context())
		first := true
		disk.onSync = func() error {
			if !first {
				return nil
			}
			first = false
			<-ctx.Done()
			return ctx.Err()
		}
		v := New(disk, Options{})
		mustWrite(t, v)
		leader, follower := make(chan error), make(chan error)
		go func() { leader <- v.Sync(ctx) }()
		synctest.Wait()
		go func() { follower <- v.Sync(t.Context()) }()
		synctest.Wait()
		cancel()
		if err := <-leader; !errors.Is(err, context.Canceled) {
			t.Errorf("leader: %v", err)
		}
		if err := <-follower; err != nil || v.Unsynced() || v.Failures() != 0 {
			t.Errorf("follower: %v, unsynced %v, %d failures", err, v.Unsynced(), v.Failures())
		}
	})
}
