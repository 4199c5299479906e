package reclaim

import (
	"fmt"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// TestLowest: the score ends at the lowest one that the kernel allows, whatever it is.
func TestLowest(t *testing.T) {
	for _, tt := range []struct{ before, min, want int }{
		{0, 0, 0}, {0, -1000, -1000}, {0, -999, -999}, {0, -500, -500}, {300, 100, 100}, {300, 300, 300},
		{-1000, -1000, -1000}, {-200, -900, -900},
	} {
		holds := tt.before
		got := lowest(tt.before, func(score int) bool {
			if score < tt.min {
				return false
			}
			holds = score
			return true
		})
		if got != tt.want || holds != tt.want {
			t.Errorf("from %d, allowed down to %d: says %d, is %d, want %d", tt.before, tt.min, got, holds, tt.want)
		}
	}
}

// TestRelease: a child has the score that its parent had before.
func TestRelease(t *testing.T) {
	child := exec.Command("sleep", "100")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	path := fmt.Sprintf("/proc/%d/oom_score_adj", child.Process.Pid)
	own, err := readScore(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := Release(child.Process.Pid); err != nil {
		t.Error(err)
	}
	if score, err := readScore(path); score != own || err != nil {
		t.Errorf("nothing was lowered, and the child has %d, %v", score, err)
	}
	before := 321
	original.Store(&before)
	defer original.Store(nil)
	if err := Release(child.Process.Pid); err != nil {
		t.Error(err)
	}
	if score, err := readScore(path); score != before || err != nil {
		t.Errorf("the child has %d, %v", score, err)
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if err := Release(child.Process.Pid); err != nil {
		t.Errorf("of a child that has ended: %v", err)
	}
}

// TestLock: with a limit that holds, only the cache is locked, if that.
func TestLock(t *testing.T) {
	asked := 0
	lockCache := func(err error) func() error { return func() error { asked++; return err } }
	var p Protection
	gap := p.lock(lockCache(nil))
	defer func() { _ = unix.Munlockall() }()
	switch {
	case p.Locked == All && (gap != "" || asked > 0):
		t.Errorf("all is locked, and %q is missing", gap)
	case p.Locked == Cache && (gap == "" || asked != 1):
		t.Errorf("the cache is locked, asked for %d times, and %q is missing", asked, gap)
	case p.Locked == None:
		t.Error("nothing is locked")
	}
}

func TestLockedBytes(t *testing.T) {
	if n := lockedBytes("Name:\tx\nVmLck:\t    1024 kB\nVmPin:\t 7 kB\n"); n != 1<<20 {
		t.Error(n)
	}
	if n := lockedBytes("Name:\tkthread\n"); n != 0 {
		t.Error(n)
	}
}

// TestWithoutFlusher: what the mark lacks is named by what helps.
func TestWithoutFlusher(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		unix.EPERM: "needs CAP_SYS_RESOURCE", unix.EINVAL: "needs Linux 5.6", unix.ENOTSUP: "this binary was built with cgo",
	} {
		if got := whyNoFlusher(errno); got != want {
			t.Errorf("%v: %q", errno, got)
		}
	}
}
