package main

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
)

// perfAverage finds the line that iscsi-perf prints over all others at its end.
var perfAverage = regexp.MustCompile(`\riops average (\d+) `)

const (
	perfBlocks    = 2048 // of 512 bytes: 1 MiB
	perfInFlight  = 8
	bytesPerBlock = 512
	fioBlock      = "1M"
)

// iscsiPerf reads the LUN with libiscsi, 1 MiB at a time, 8 requests in flight.
func (s *scene) iscsiPerf(ctx context.Context, seconds int) (float64, error) {
	out, err := output(ctx, "iscsi-perf", "-b", strconv.Itoa(perfBlocks), "-m", strconv.Itoa(perfInFlight), "-t", strconv.Itoa(seconds), s.url())
	if err != nil {
		return 0, err
	}
	m := perfAverage.FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("iscsi-perf printed no average: %q", out)
	}
	iops, err := strconv.ParseFloat(m[1], 64)
	return iops * perfBlocks * bytesPerBlock, err
}

// fio reads the LUN's file in one thread, 1 MiB at a time, as cp and dd do.
func (s *scene) fio(ctx context.Context, seconds int) (float64, error) {
	out, err := output(ctx, "fio", "--name=read", "--filename="+s.file(), "--ioengine=psync", "--numjobs=1",
		"--bs="+fioBlock, "--rw=read", "--time_based", fmt.Sprintf("--runtime=%d", seconds),
		"--readonly", "--invalidate=0", "--output-format=json")
	if err != nil {
		return 0, err
	}
	var result struct {
		Jobs []struct {
			Read struct {
				Rate float64 `json:"bw_bytes"`
			} `json:"read"`
		} `json:"jobs"`
	}
	if err := json.Unmarshal([]byte(out), &result); err != nil || len(result.Jobs) != 1 {
		return 0, fmt.Errorf("fio printed no result (%w): %q", err, out)
	}
	return result.Jobs[0].Read.Rate, nil
}
