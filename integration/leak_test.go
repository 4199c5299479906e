package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/moby/sys/mountinfo"
)

// dirVar marks every process that a test starts, and all that these start.
const dirVar = "ISCSIFS_TEST_DIR"

// leftovers names what exists on the machine because of a test whose files lie
// below dir: processes, loop devices, mounts.
func leftovers(dir string) []string {
	var found []string
	for _, pid := range processesOf(dir) {
		cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		found = append(found, fmt.Sprintf("process %d: %s", pid, strings.ReplaceAll(string(cmdline), "\x00", " ")))
	}
	for _, loop := range loopsOf(dir) {
		found = append(found, "loop device "+loop)
	}
	for _, m := range mountsOf(dir) {
		found = append(found, "mount "+m)
	}
	return found
}

// sweep removes the leftovers of dir by force, innermost first.
func sweep(dir string) {
	for _, m := range mountsOf(dir) {
		if !isFUSE(m) {
			syscall.Unmount(m, syscall.MNT_DETACH)
		}
	}
	for _, loop := range loopsOf(dir) {
		detachLoop(loop)
	}
	for _, pid := range processesOf(dir) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
	for _, m := range mountsOf(dir) {
		syscall.Unmount(m, syscall.MNT_DETACH)
	}
}

// processesOf returns the processes that carry dir's mark or name it in their
// arguments, without this one.
func processesOf(dir string) []int {
	var pids []int
	procs, _ := filepath.Glob("/proc/[0-9]*")
	for _, proc := range procs {
		pid, _ := strconv.Atoi(filepath.Base(proc))
		if pid != os.Getpid() && belongsTo(proc, dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func belongsTo(proc, dir string) bool {
	if !runs(proc) {
		return false
	}
	environ, _ := os.ReadFile(proc + "/environ")
	for _, v := range strings.Split(string(environ), "\x00") {
		if value, ok := strings.CutPrefix(v, dirVar+"="); ok && below(value, dir) {
			return true
		}
	}
	cmdline, _ := os.ReadFile(proc + "/cmdline")
	return strings.Contains(string(cmdline), dir+"/")
}

// runs tells whether the process of a directory in /proc exists and is more
// than a zombie that its parent has not reaped yet.
func runs(proc string) bool {
	stat, err := os.ReadFile(proc + "/stat")
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}

// running is runs for a process id.
func running(pid int) bool { return runs("/proc/" + strconv.Itoa(pid)) }

// loopsOf returns the loop devices whose backing file lies below dir.
func loopsOf(dir string) []string {
	var loops []string
	files, _ := filepath.Glob("/sys/block/loop*/loop/backing_file")
	for _, file := range files {
		backing, _ := os.ReadFile(file)
		if below(strings.TrimSpace(string(backing)), dir) {
			loops = append(loops, "/dev/"+filepath.Base(filepath.Dir(filepath.Dir(file))))
		}
	}
	return loops
}

// mountsOf returns the mount points below dir, the latest first.
func mountsOf(dir string) []string {
	infos, _ := mountinfo.GetMounts(nil)
	var points []string
	for _, m := range infos {
		if below(m.Mountpoint, dir) {
			points = append(points, m.Mountpoint)
		}
	}
	slices.Reverse(points)
	return points
}

func isFUSE(point string) bool {
	infos, _ := mountinfo.GetMounts(mountinfo.SingleEntryFilter(point))
	return len(infos) == 1 && strings.HasPrefix(infos[0].FSType, "fuse")
}

func below(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }
