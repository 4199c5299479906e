package fusefs

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func TestPendingSignals(t *testing.T) {
	for text, want := range map[string]bool{
		"Name:\tx\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\n": false,
		"SigPnd:\t0000000000000100\nShdPnd:\t0000000000000000\n":           true,
		"SigPnd:\t0000000000000000\nShdPnd:\t0000000000000100\n":           true,
		"SigPnd:\t0000000000400000\nShdPnd:\t0000000000000000\n":           false, // SIGURG
		"": false,
	} {
		if got := pending([]byte(text), "SigPnd:") || pending([]byte(text), "ShdPnd:"); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestProcessOf(t *testing.T) {
	if got := processOf(uint32(unix.Gettid())); got != os.Getpid() {
		t.Errorf("the process of this thread is %d, not %d", os.Getpid(), got)
	}
	if processOf(0) != 0 || killed(0) || killed(uint32(os.Getpid())) {
		t.Error("the kernel, or this process, is not dead")
	}
	const none = 1<<22 + 1 // above PID_MAX_LIMIT
	if !killed(none) || processOf(none) != none {
		t.Error("a process that is gone waits on")
	}
}
