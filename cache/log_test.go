package cache

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

// noRoom is what a target with a full thin pool answers.
type noRoom struct{}

func (noRoom) Error() string        { return "no room" }
func (noRoom) Errno() syscall.Errno { return syscall.ENOSPC }

// TestLogOfTrouble: the log has a line when write-backs begin to fail, however often
// they do and whatever succeeds in between, and one when all is on the target.
func TestLogOfTrouble(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		want string
	}{
		"damaged": {errFault, "cannot write back or synchronize"},
		"full":    {noRoom{}, "enlarge its pool"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				disk := newFakeDisk(t, 512, 2048)
				v := open(t, disk, VolumeOptions{Logger: zerolog.New(&log)})
				disk.onWrite = func(_ context.Context, off int64, _ int) error {
					if off == 0 {
						return tt.err
					}
					return nil
				}
				write := func(off int64) {
					if _, err := v.WriteAt(t.Context(), make([]byte, 4096), off); err != nil {
						t.Fatal(err)
					}
				}
				write(0)
				for range 20 {
					write(1 << 19) // succeeds, and does not make the next failure another
					if err := v.Sync(t.Context()); !errors.Is(err, tt.err) {
						t.Fatalf("Sync: %v", err)
					}
					time.Sleep(10 * time.Second)
				}
				if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), tt.want) {
					t.Errorf("%d lines, want one with %q:\n%s", n, tt.want, log.String())
				}
				log.Reset()
				v.cache.mu.Lock()
				disk.onWrite = nil
				v.cache.mu.Unlock()
				if err := v.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "is on the target now") {
					t.Errorf("%d lines, want one that it is over:\n%s", n, log.String())
				}
			})
		})
	}
}

// TestLogOfHeldData: who owns the data is told once that it waits for him.
func TestLogOfHeldData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		disk := newFakeDisk(t, 512, 2048)
		v := open(t, disk, VolumeOptions{Logger: zerolog.New(&log), HoldLate: func(error) bool { return true }})
		disk.onWrite = func(context.Context, int64, int) error { return errFault }
		if _, err := v.WriteAt(t.Context(), make([]byte, 8192), 0); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			if err := v.Sync(t.Context()); err == nil {
				t.Fatal("Sync succeeds")
			}
			time.Sleep(10 * time.Second)
		}
		if n := strings.Count(log.String(), "dirty data is held back"); n != 1 || !strings.Contains(log.String(), `"bytes":8192`) || !strings.Contains(log.String(), "iscsifs sync") {
			t.Errorf("%d lines of held data, want one that says how much and what to do:\n%s", n, log.String())
		}
		disk.onWrite = nil
		v.WriteLate()
		if err := v.Sync(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
