package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestMemory: whatever is done to 16 LUNs, the program as its users get it never
// takes more than the cache and 96 MiB.
func TestMemory(t *testing.T) {
	needTools(t, "fio")
	const luns, cacheSize, more = 16, 64 * mib, 96 * mib
	h := newHost(t)
	h.released = true
	var disks []*target.LUN
	for range luns {
		disks = append(disks, target.NewMemoryLUN(16*mib, 512))
	}
	s := h.script(disks...)
	m := h.mount(s.config("size = \"64MiB\""))
	var files []string
	for n := range luns {
		files = append(files, m.lun(n))
	}
	daemon := m.daemon(t)
	for _, load := range []fioJob{
		{"--rw=randrw", "--bsrange=4k-64k", "--ioengine=libaio", "--iodepth=64", "--numjobs=8"},
		{"--rw=read", "--bs=1m", "--ioengine=libaio", "--iodepth=8", "--numjobs=8"},
		{"--rw=write", "--bs=1m", "--ioengine=psync", "--numjobs=16"},
		{"--rw=randread", "--bs=4k", "--ioengine=psync", "--numjobs=32"},
	} {
		h.fio(load, strings.Join(files, ":"), "--thread", "--file_service_type=random", "--filesize=16m", "--time_based", "--runtime=2")
		t.Logf("%v: %d MiB", load, peakMemory(t, daemon)/mib)
	}
	if peak := peakMemory(t, daemon); peak > cacheSize+more {
		t.Errorf("the daemon took %d MiB, want %d at most", peak/mib, (cacheSize+more)/mib)
	}
}

// peakMemory is the most that a process has had resident, in bytes.
func peakMemory(t *testing.T, pid int) int64 { return statusField(t, pid, "VmHWM:") }

// statusField is a line of /proc/PID/status that counts KiB, in bytes.
func statusField(t *testing.T, pid int, name string) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	var kibs int64
	_, line, _ := strings.Cut(string(status), name)
	if _, err := fmt.Sscan(line, &kibs); err != nil {
		t.Fatal(err)
	}
	return kibs * kib
}
