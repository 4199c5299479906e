package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// ticksPerSecond is USER_HZ, in which proc(5) counts processor time; it is 100
// on every architecture that Go runs on.
const ticksPerSecond = 100

// cpuTime is the processor time that a process has used, in seconds: utime and
// stime of /proc/PID/stat.
func cpuTime(pid int) (float64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseCPUTime(stat)
}

// parseCPUTime takes fields 14 and 15. The second is the name in parentheses,
// and may have anything in it.
func parseCPUTime(stat []byte) (float64, error) {
	const utime, stime, afterName = 14, 15, 3
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= stime-afterName {
		return 0, fmt.Errorf("/proc/PID/stat: too short: %q", stat)
	}
	var ticks float64
	for _, f := range [][]byte{fields[utime-afterName], fields[stime-afterName]} {
		n, err := strconv.ParseUint(string(f), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/PID/stat: %w", err)
		}
		ticks += float64(n)
	}
	return ticks / ticksPerSecond, nil
}

// peakMemory is the most that a process has ever had resident, in bytes.
func peakMemory(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parsePeakMemory(status)
}

func parsePeakMemory(status []byte) (int64, error) {
	_, rest, _ := bytes.Cut(status, []byte("\nVmHWM:"))
	var kilobytes int64
	if _, err := fmt.Sscanf(string(rest), "%d kB", &kilobytes); err != nil {
		return 0, fmt.Errorf("/proc/PID/status: no VmHWM: %w", err)
	}
	return kilobytes * kib, nil
}
