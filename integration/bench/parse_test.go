package main

import "testing"

func TestParsePerf(t *testing.T) {
	const progress = "capacity is 2097152 blocks\n\riops current 5612 (2 MB/s), iops average 5612 (2 MB/s)         "
	if got, err := parsePerf(progress + "\riops average 5755 (1438 MB/s)                 \n\nfinished.\n"); err != nil || got != 5755 {
		t.Errorf("got %v, %v, want 5755", got, err)
	}
	for _, bad := range []string{"", progress, "\riops average 0 (0 MB/s) \n"} {
		if got, err := parsePerf(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, got)
		}
	}
}

func TestParseFio(t *testing.T) {
	const idle = `{"io_bytes": 0, "bw_bytes": 0}`
	const busy = `{"io_bytes": 1048576, "bw_bytes": 524288}`
	for name, out := range map[string]string{
		"read":  `{"jobs": [{"read": ` + busy + `, "write": ` + idle + `}]}`,
		"write": "note: both of them\n" + `{"jobs": [{"read": ` + idle + `, "write": ` + busy + `}]}`,
	} {
		if got, err := parseFio(out); err != nil || got != (sample{bytes: 1 << 20, rate: 1 << 19}) {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	for _, bad := range []string{"", "{}", `{"jobs": []}`, `{"jobs": [{"read": ` + idle + `, "write": ` + idle + `}]}`, "fio: killed"} {
		if got, err := parseFio(bad); err == nil {
			t.Errorf("%q: got %+v, want an error", bad, got)
		}
	}
}

func TestParseProcess(t *testing.T) {
	stat := []byte("42 (a) R (b) S 1 42 42 0 -1 4194560 1 2 3 4 150 25 7 8 20 0 1 0 99 1 1")
	if got, err := parseCPUTime(stat); err != nil || got != 1.75 {
		t.Errorf("processor time: got %v, %v, want 1.75", got, err)
	}
	if got, err := parseCPUTime([]byte("42 (a) S 1 2")); err == nil {
		t.Errorf("processor time of a short line: got %v, want an error", got)
	}
	if got, err := parsePeakMemory([]byte("Name:\tx\nVmPeak:\t 9 kB\nVmHWM:\t   12 kB\nVmRSS:\t 3 kB\n")); err != nil || got != 12<<10 {
		t.Errorf("peak memory: got %v, %v, want 12 KiB", got, err)
	}
	if got, err := parsePeakMemory([]byte("Name:\tkernel thread\n")); err == nil {
		t.Errorf("peak memory without VmHWM: got %v, want an error", got)
	}
}
