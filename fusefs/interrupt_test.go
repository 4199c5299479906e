package fusefs

import (
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestKillEndsTheWait: SIGKILL ends a process that waits for the LUN, though
// other signals came before it; and the flush of what it had written before does
// not hold it up.
func TestKillEndsTheWait(t *testing.T) {
	m := mountLUN(t, Options{})
	cmd, reopen := startWriter(t, m, "write")
	expect(t, "SIGURG", cmd.Process.Signal(syscall.SIGURG), nil)
	eventually(t, "an interrupted request", func() bool { return m.interruptedRequests() == 1 })
	expect(t, "SIGKILL", cmd.Process.Kill(), nil)
	died := make(chan error, 1)
	go func() { died <- cmd.Wait() }()
	select {
	case <-died:
	case <-time.After(10 * time.Second):
		t.Error("SIGKILL did not end the wait")
		reopen()
		<-died
	}
	if m.lun.syncs.Load() == 0 {
		t.Error("nothing was flushed, so nothing was tried")
	}
	reopen()
	eventually(t, "synchronized in the background", func() bool { return !m.lun.Unsynced() })
}

// helpSignals writes while signals rain on it.
func helpSignals(file string) error {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGUSR1)
	return helpWrite(file)
}

func TestSignalsDoNotDisturb(t *testing.T) {
	m := mountLUN(t, Options{})
	cmd, reopen := startWriter(t, m, "signals")
	for range 20 {
		expect(t, "SIGUSR1", cmd.Process.Signal(syscall.SIGUSR1), nil)
	}
	eventually(t, "an interrupted request", func() bool { return m.interruptedRequests() == 1 })
	reopen()
	if err := cmd.Wait(); err != nil {
		t.Errorf("the writer: %v", err)
	}
}

// interruptedRequests counts the waiting requests that have seen an INTERRUPT.
func (m *mounted) interruptedRequests() (n int) {
	for l := range m.handles.files() {
		l.waits.mu.Lock()
		for _, r := range l.waits.waiting {
			if r.interrupted() {
				n++
			}
		}
		l.waits.mu.Unlock()
	}
	return n
}

func TestCut(t *testing.T) {
	m := mountLUN(t, Options{})
	fd := open(t, m.file, unix.O_RDWR)
	pwrite(t, fd, make([]byte, 512), 0)
	reopen := m.lun.close()
	defer reopen()
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := unix.Pwrite(fd, make([]byte, 512), 0)
		expect(t, "a write that waits", err, unix.EIO)
	})
	wg.Go(func() {
		_, err := unix.Pread(fd, make([]byte, 512), 0)
		expect(t, "a read that waits", err, unix.EIO)
	})
	eventually(t, "both wait", func() bool { return m.lun.waiting.Load() == 2 })
	expect(t, "cut", m.Cut("lun0"), nil)
	wg.Wait()
	reopen()
	_, err := unix.Pread(fd, make([]byte, 512), 0)
	expect(t, "read after the cut", err, unix.EIO)
	expect(t, "fsync after the cut", unix.Fsync(fd), unix.EIO)
	later := open(t, m.file, unix.O_RDWR)
	_, err = unix.Pread(later, make([]byte, 512), 0)
	expect(t, "read of who came later", err, nil)
	closeFD(t, later)
	expect(t, "close", unix.Close(fd), unix.EIO)
	expect(t, "cut of nothing", m.Cut("lun9"), unix.ENOENT)
}

// TestCutUnderWrite: a write that ends after the cut fails, also where all went well: who
// took the file away may have looked by then whether anything was written.
func TestCutUnderWrite(t *testing.T) {
	for name, write := range map[string]func(fd int) error{
		"write":      func(fd int) error { _, err := unix.Pwrite(fd, make([]byte, 512), 0); return err },
		"ZERO_RANGE": func(fd int) error { return unix.Fallocate(fd, zeroRange, 0, 512) },
	} {
		t.Run(name, func(t *testing.T) {
			m := mountLUN(t, Options{})
			fd := open(t, m.file, unix.O_RDWR)
			m.lun.heedless.Store(true)
			reopen := m.lun.close()
			defer reopen()
			done := make(chan error, 1)
			go func() { done <- write(fd) }()
			eventually(t, "it waits", func() bool { return m.lun.waiting.Load() == 1 })
			expect(t, "remove", m.RemoveLUN("", "lun0"), nil)
			reopen()
			expect(t, name, <-done, unix.EIO)
			unix.Close(fd)
		})
	}
}

func TestRemovedWhileOpen(t *testing.T) {
	m := mountLUN(t, Options{})
	fd := open(t, m.file, unix.O_RDWR)
	expect(t, "remove", m.RemoveLUN("", "lun0"), nil)
	_, err := unix.Pread(fd, make([]byte, 512), 0)
	expect(t, "read", err, unix.EIO)
	var s unix.Stat_t
	expect(t, "fstat", unix.Fstat(fd, &s), nil)
	expect(t, "stat", unix.Stat(m.file, &s), unix.ENOENT)
	expect(t, "add another", m.AddLUN("", "lun0", newMemLUN(512, 1), nil), nil)
	again := open(t, m.file, unix.O_RDONLY)
	p := make([]byte, 600)
	if n, err := unix.Pread(again, p, 0); n != 512 || err != nil || p[0] != 1 {
		t.Errorf("read of the new one: %d, %v", n, err)
	}
	closeFD(t, again)
	unix.Close(fd)
}

func TestOpenFiles(t *testing.T) {
	m := mountLUN(t, Options{})
	a, b := open(t, m.file, unix.O_RDONLY), open(t, m.file, unix.O_RDWR)
	cmd := exec.CommandContext(t.Context(), "sh", "-c", "exec sleep 60 < $LUN")
	cmd.Env = append(os.Environ(), "LUN="+m.file)
	expect(t, "start", cmd.Start(), nil)
	eventually(t, "open by another process", func() bool { return m.OpenFiles()[0].Readers == 2 })
	got := m.OpenFiles()
	if len(got) != 1 || got[0].Path != "lun0" || got[0].Writers != 1 || len(got[0].PIDs) != 2 ||
		got[0].PIDs[0] != min(os.Getpid(), cmd.Process.Pid) || got[0].PIDs[1] != max(os.Getpid(), cmd.Process.Pid) {
		t.Errorf("%+v; we are %d, the other %d", got, os.Getpid(), cmd.Process.Pid)
	}
	expect(t, "unmount", m.server.Unmount(), unix.EBUSY)
	cmd.Process.Kill()
	cmd.Wait()
	closeFD(t, a)
	closeFD(t, b)
	eventually(t, "all closed", func() bool { return len(m.OpenFiles()) == 0 })
}

// TestRemoveIdle: a file that is open stays, and one that is not goes.
func TestRemoveIdle(t *testing.T) {
	m := mountLUN(t, Options{})
	fd := open(t, m.file, unix.O_RDWR)
	expect(t, "remove what is open", m.RemoveIdleLUN("", "lun0"), unix.EBUSY)
	if _, err := unix.Pread(fd, make([]byte, 512), 0); err != nil {
		t.Errorf("read after the refusal: %v", err)
	}
	closeFD(t, fd)
	eventually(t, "closed", func() bool { return len(m.OpenFiles()) == 0 })
	expect(t, "remove", m.RemoveIdleLUN("", "lun0"), nil)
	expect(t, "remove again", m.RemoveIdleLUN("", "lun0"), unix.ENOENT)
	var s unix.Stat_t
	expect(t, "stat", unix.Stat(m.file, &s), unix.ENOENT)
}
