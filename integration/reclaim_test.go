package integration

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// The flags of a thread that PR_SET_IO_FLUSHER sets, in /proc/PID/task/TID/stat
// (PF_MEMALLOC_NOIO and PF_LOCAL_THROTTLE of linux/sched.h).
const ioFlusherFlags = 0x00080000 | 0x00100000

// withoutIOFlusher returns the lines of stats, those of /proc/PID/task/*/stat, whose
// threads lack a flag that PR_SET_IO_FLUSHER sets.
func withoutIOFlusher(stats string) (lines []string) {
	for line := range strings.Lines(stats) {
		// PID (NAME) STATE PPID PGRP SESSION TTY TPGID FLAGS; a name may have ")" in it.
		fields := strings.Fields(line[strings.LastIndexByte(line, ')')+1:])
		if len(fields) < 7 {
			lines = append(lines, line)
			continue
		}
		flags, err := strconv.ParseUint(fields[6], 10, 64)
		if err != nil || flags&ioFlusherFlags != ioFlusherFlags {
			lines = append(lines, line)
		}
	}
	return lines
}

// threadStats are the lines of all threads of a process.
func threadStats(t *testing.T, pid int) string {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil || len(paths) == 0 {
		t.Fatalf("process %d has no threads: %v", pid, err)
	}
	var all strings.Builder
	for _, path := range paths {
		line, _ := os.ReadFile(path) // threads come and go
		all.Write(line)
	}
	return all.String()
}

// mayLift tells whether this process may have limits on resources lifted, which
// PR_SET_IO_FLUSHER and a low oom_score_adj ask for.
func mayLift(t *testing.T) bool { return capable(t, unix.CAP_SYS_RESOURCE) }

// TestProtection: status says of each way to work on while memory is short what the
// kernel says of the daemon, and why one is not taken.
func TestProtection(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	h.released = true // the mark of each thread is for programs without cgo
	m := h.mount(h.serve(nil, disk{size: smallDisk}).config())
	daemon := m.daemon(t)
	h.sh(`dd if=/dev/zero of="$1" bs=64k count=64 conv=notrunc oflag=direct status=none`, m.lun(1)) // threads that come later
	p := h.protection(m)
	without := withoutIOFlusher(threadStats(t, daemon))
	if p.IOFlusher != (len(without) == 0) {
		t.Errorf("io_flusher is %v; without are\n%s", p.IOFlusher, strings.Join(without, ""))
	}
	if p.IOFlusher != mayLift(t) || (p.OOMScoreAdj == -1000) != mayLift(t) {
		t.Errorf("%+v, and CAP_SYS_RESOURCE is %v", p, mayLift(t))
	}
	score := strings.TrimSpace(h.sh(`cat /proc/"$1"/oom_score_adj`, itoa(int64(daemon))))
	if score != strconv.Itoa(p.OOMScoreAdj) {
		t.Errorf("oom_score_adj is %s, status says %d", score, p.OOMScoreAdj)
	}
	if locked := lockedMemory(t, daemon); p.Locked != "all" || locked < 256*mib {
		t.Errorf("locked: %s, %d MiB", p.Locked, locked/mib)
	}
	verbose := h.mustIscsifs("status", "-v", m.point)
	if !mayLift(t) && (len(p.Gaps) != 2 || !strings.Contains(verbose, "CAP_SYS_RESOURCE")) {
		t.Errorf("no CAP_SYS_RESOURCE is not said: %q\n%s", p.Gaps, verbose)
	}
	if mayLift(t) && len(p.Gaps) > 0 {
		t.Errorf("missing: %q", p.Gaps)
	}
}

// protection is what status says of a mount that can be written.
func (h *host) protection(m *mounted) protectionJSON {
	h.t.Helper()
	p := h.status(m.point).Mounts[0].Protection
	if p == nil {
		h.t.Fatal("status does not say what protects the daemon")
	}
	return *p
}

// What a user without any rights lacks is said, and the mount works.
func TestProtectionUnprivileged(t *testing.T) {
	h := newUserHost(t)
	h.released = true
	m := h.mount(h.serve(nil, disk{size: smallDisk}).config())
	p := h.protection(m)
	if p.IOFlusher || p.OOMScoreAdj < 0 || len(p.Gaps) < 2 || !strings.Contains(strings.Join(p.Gaps, "\n"), "CAP_SYS_RESOURCE") {
		t.Errorf("%+v", p)
	}
	h.sh(`dd if=/dev/zero of="$1" bs=64k count=64 conv=notrunc status=none`, m.lun(1))
}

// A mount that nobody can write has nothing that the kernel could wait for.
func TestProtectionReadOnly(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	m := h.mount(h.serve(nil, disk{size: smallDisk}).config(), "--read-only")
	if p := h.status(m.point).Mounts[0].Protection; p != nil {
		t.Errorf("%+v", p)
	}
}

func lockedMemory(t *testing.T, pid int) int64 { return statusField(t, pid, "VmLck:") }

// TestShortMemory: programs in a control group write many times its memory to a file
// system on a loop device. What they dirty must be written before they get memory. With
// PR_SET_IO_FLUSHER, which needs CAP_SYS_RESOURCE, the daemon is one of the group, and
// would wait for itself without it; but not in a group of version 1, which keeps no
// account of what in it is dirty: the device does, lest dirty pages fill the group and
// something in it must be killed.
func TestShortMemory(t *testing.T) {
	needTools(t, "losetup", "mkfs.ext4")
	const cacheSize, ofDaemon, ofOthers = 32 * mib, 112 * mib, 48 * mib
	h := newHost(t)
	h.released = true
	s := h.serve(nil, disk{size: 512 * mib})
	c := s.config()
	c.tables = fmt.Sprintf("[cache]\nsize = %q", itoa(cacheSize)+"B")
	source := h.noiseFile("source", 64*mib)
	both := mayLift(t) && !hasMemoryGroups1()
	limit := int64(ofOthers)
	if both {
		limit += ofDaemon
	}
	group := newMemoryGroup(t, limit)
	m := &mounted{h: h, point: h.mountpoint(), config: h.writeConfig(c)}
	t.Cleanup(m.umount)
	joins := "/dev/null"
	if both {
		joins = group.join()
	}
	h.sh(`echo $$ >"$1"; exec "$2" mount "$3" "$4"`, joins, h.program(), m.config, m.point)
	defer m.abortAfter(commandTimeout - patience/2)()
	loop := h.attachLoop(m.lun(1), "--direct-io=on")
	if hasMemoryGroups1() {
		h.limitDirty(loop, ofOthers/4)
	}
	h.sh(ext4.mkfs, loop)
	point := h.mountFS(loop, "rw")
	h.sh(`echo $$ >"$1"
		for i in 1 2 3 4; do cp "$2" "$3/$i" & pids+=($!); done
		dd if=/dev/zero of=/dev/null bs=16M count=400 status=none & pids+=($!) # clears all its memory again and again
		for pid in "${pids[@]}"; do wait "$pid"; done
		sync -f "$3"`, group.join(), source, point)
	if group.reclaims() == 0 {
		t.Error("memory was never short: nothing was tested")
	}
	h.sh(`umount "$1"; losetup -d "$2"`, point, loop)
	m.umount()
	h.sh(ext4.check, s.backing[1])
	point = h.mountFS(s.backing[1], ext4.options)
	h.sh(`for i in 1 2 3 4; do cmp "$1" "$2/$i"; done; umount "$2"`, source, point)
}

// limitDirty slows writers to a device as soon as so many bytes for it are dirty.
func (h *host) limitDirty(device string, limit int64) {
	h.t.Helper()
	const set = `cd "/sys/block/$1/bdi"; echo "$2" >"$3"; echo "$4" >strict_limit`
	name := filepath.Base(device)
	h.t.Cleanup(func() { h.sh(set, name, "100", "max_ratio", "0") }) // the device is others' after the test
	h.sh(set, name, itoa(limit), "max_bytes", "1")
}

// abortAfter ends the mount's connection to the kernel if the test hangs: nothing else
// ends a daemon that the kernel waits for and that waits for the kernel. The caller
// ends the wait.
func (m *mounted) abortAfter(limit time.Duration) (end func()) {
	m.h.t.Helper()
	infos, err := mountinfo.GetMounts(mountinfo.SingleEntryFilter(m.point))
	if err != nil || len(infos) != 1 {
		m.h.t.Fatalf("mountinfo of %s: %v, %v", m.point, infos, err)
	}
	control := m.h.path("fusectl")
	m.h.sh(`mkdir "$1"; mount -t fusectl none "$1"`, control)
	timer := time.AfterFunc(limit, func() {
		m.h.t.Errorf("it hangs, after %v", limit)
		_ = os.WriteFile(fmt.Sprintf("%s/%d/abort", control, infos[0].Minor), []byte("1"), 0)
	})
	return func() {
		timer.Stop()
		m.h.sh(`umount "$1"`, control)
	}
}

// noiseFile makes a file of random bytes.
func (h *host) noiseFile(name string, size int64) string {
	h.t.Helper()
	f, err := os.Create(h.path(name))
	if err != nil {
		h.t.Fatal(err)
	}
	defer f.Close()
	if _, err := io.CopyN(f, noise(uint64(size)), size); err != nil {
		h.t.Fatal(err)
	}
	return f.Name()
}
