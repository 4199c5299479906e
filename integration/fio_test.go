package integration

import (
	"encoding/json"
	"strings"
	"testing"
)

// fioJob is what fio is told about one kind of load, as options of its command line.
type fioJob []string

// on returns the job for a file.
func (j fioJob) on(path string, more ...string) []string {
	args := append([]string{"--name=load", "--filename=" + path, "--randrepeat=1", "--group_reporting", "--output-format=json"}, j...)
	return append(args, more...)
}

// fioResult is the sum of a run's jobs.
type fioResult struct {
	Jobs []struct {
		Error int
		Read  fioDirection
		Write fioDirection
	}
}

type fioDirection struct {
	IOs     int64   `json:"total_ios"`
	Bytes   int64   `json:"io_bytes"`
	IOPS    float64 `json:"iops"`
	Latency struct {
		Max        float64          // ns
		Percentile map[string]int64 // ns
	} `json:"clat_ns"`
}

// fio runs a job, which must succeed: what it reads back must be what it wrote.
func (h *host) fio(job fioJob, path string, more ...string) fioResult {
	h.t.Helper()
	r := h.run("fio", job.on(path, more...)...)
	if r.code != 0 {
		h.t.Fatalf("fio %q: exit code %d\n%s%s", job.on(path, more...), r.code, tail(r.stdout, 300), tail(r.stderr, 3000))
	}
	return parseFio(h.t, r.stdout)
}

func parseFio(t *testing.T, out string) (result fioResult) {
	t.Helper()
	remarks, _, _ := strings.Cut(out, "{") // stand before the report
	if err := json.Unmarshal([]byte(out[len(remarks):]), &result); err != nil || len(result.Jobs) != 1 {
		t.Fatalf("fio's output: %v\n%s", err, tail(out, 3000))
	}
	return result
}
