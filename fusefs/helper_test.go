package fusefs

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// helperVariable, when set, makes the test binary do one thing to the file named
// by its first argument. What blocks a thread without a system call, or must be
// killed, cannot be done by the process that serves the mount.
const helperVariable = "FUSEFS_TEST_HELPER"

var helpers = map[string]func(file string) error{
	"mmap":    helpMmap,
	"serve":   helpServe,
	"release": helpRelease,
	"write":   helpWrite,
	"signals": helpSignals,
	"zero":    helpZero,
	"seek":    helpSeek,
}

// A signal to a process goes to its first thread if that does not block it; so
// the helper must wait there.
func init() {
	if os.Getenv(helperVariable) != "" {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	help := helpers[os.Getenv(helperVariable)]
	if help == nil {
		goleak.VerifyTestMain(m)
		return
	}
	if err := help(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// helper prepares a process that does one of helpers to m's LUN file.
func helper(t *testing.T, m *mounted, name string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, m.file)
	cmd.Env = append(os.Environ(), helperVariable+"="+name)
	return cmd
}

func runHelper(t *testing.T, m *mounted, name string) {
	t.Helper()
	if out, err := helper(t, m, name).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// needMmap skips the test where the kernel cannot map these files.
func needMmap(t *testing.T, m *mounted) {
	t.Helper()
	fd := open(t, m.file, unix.O_RDWR)
	defer unix.Close(fd)
	memory, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err == unix.ENODEV {
		t.Skip("the kernel has no DIRECT_IO_ALLOW_MMAP")
	}
	if err == nil {
		unix.Munmap(memory)
	}
}

// helpMmap reads and writes through a mapping and flushes it with msync.
func helpMmap(file string) error {
	return mapped(file, func(memory []byte) error {
		if memory[5] != 0xff {
			return fmt.Errorf("mapped byte is %#x", memory[5])
		}
		copy(memory[4000:], "through a mapping")
		return unix.Msync(memory, unix.MS_SYNC)
	})
}

// helpRelease writes through a mapping and leaves the rest to munmap.
func helpRelease(file string) error {
	return mapped(file, func(memory []byte) error { memory[0] = 1; return nil })
}

func mapped(file string, do func([]byte) error) error {
	fd, err := unix.Open(file, unix.O_RDWR, 0)
	if err != nil {
		return err
	}
	memory, err := unix.Mmap(fd, 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return err
	}
	if err := unix.Close(fd); err != nil {
		return err
	}
	if err := do(memory); err != nil {
		return err
	}
	return unix.Munmap(memory)
}

// helpWrite writes one block, waits for a line of its input, and writes it again.
func helpWrite(file string) error {
	return helpWait(file, func(fd int) error { _, err := unix.Pwrite(fd, make([]byte, 512), 0); return err })
}

// helpZero and helpSeek do other things then.
func helpZero(file string) error {
	return helpWait(file, func(fd int) error { return unix.Fallocate(fd, zeroRange, 0, 512) })
}

func helpSeek(file string) error {
	return helpWait(file, func(fd int) error { _, err := unix.Seek(fd, 0, unix.SEEK_HOLE); return err })
}

func helpWait(file string, then func(fd int) error) error {
	fd, err := unix.Open(file, unix.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := unix.Pwrite(fd, make([]byte, 512), 0); err != nil {
		return err
	}
	fmt.Println("written")
	fmt.Scanln()
	if err := then(fd); err != nil {
		return err
	}
	return unix.Close(fd)
}

// startWriter starts the named variant of helpWrite, and returns when its second
// write waits for the LUN, with what lets it go on. A process must not be started
// while the LUN does not answer: the child closes our descriptors before exec,
// and close flushes.
func startWriter(t *testing.T, m *mounted, name string) (cmd *exec.Cmd, reopen func()) {
	t.Helper()
	cmd = helper(t, m, name)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("%q, %v", line, err)
	}
	reopen = m.lun.close()
	t.Cleanup(reopen)
	fmt.Fprintln(stdin)
	eventually(t, "the write waits", func() bool { return m.lun.waiting.Load() == 1 })
	return cmd, reopen
}
