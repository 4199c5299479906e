package fusefs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
)

// killed tells whether the thread tid waits to die: SIGKILL is pending for it
// or its process, or it has gone. A process that SIGKILL has brought to exit(2)
// still has it pending, so that the flush of the files it leaves open ends too.
func killed(tid uint32) bool {
	if tid == 0 {
		return false
	}
	status, err := readProc(tid, "status")
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return true
	}
	return pending(status, "SigPnd:") || pending(status, "ShdPnd:")
}

// pending tells whether SIGKILL is in a signal mask of a proc status file
// (proc_pid_status(5)).
func pending(status []byte, mask string) bool {
	bits, err := strconv.ParseUint(statusField(status, mask), 16, 64)
	return err == nil && bits&(1<<(syscall.SIGKILL-1)) != 0
}

// processOf returns the process that the thread belongs to, or the thread's
// own id when that cannot be known.
func processOf(tid uint32) int {
	if tid == 0 {
		return 0
	}
	status, err := readProc(tid, "status")
	if err != nil {
		return int(tid)
	}
	pid, err := strconv.Atoi(statusField(status, "Tgid:"))
	if err != nil {
		return int(tid)
	}
	return pid
}

// statusField returns the value of a line of a proc status file.
func statusField(status []byte, name string) string {
	for line := range bytes.Lines(status) {
		if value, ok := bytes.CutPrefix(line, []byte(name)); ok {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

func readProc(tid uint32, name string) ([]byte, error) {
	return os.ReadFile(fmt.Sprintf("/proc/%d/%s", tid, name))
}
