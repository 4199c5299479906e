package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// perf is a run of iscsi-perf, which reads a LUN through libiscsi and throws the
// data away: no initiator in user space that shows the data to somebody is
// expected to be faster.
type perf struct {
	blocks   int // of 512 bytes, per request
	inFlight int
	random   bool
}

const bytesPerBlock = 512

func (p perf) args() []string {
	args := []string{"-b", strconv.Itoa(p.blocks), "-m", strconv.Itoa(p.inFlight)}
	if p.random {
		return append([]string{"-r"}, args...)
	}
	return args
}

// name is the command line as one would type it.
func (p perf) name() string { return "iscsi-perf " + strings.Join(p.args(), " ") }

// run reads the LUN for some seconds.
func (p perf) run(ctx context.Context, lun lun, seconds int) (sample, error) {
	out, err := output(ctx, "iscsi-perf", append(p.args(), "-t", strconv.Itoa(seconds), lun.url())...)
	if err != nil {
		return sample{}, err
	}
	iops, err := parsePerf(out)
	return sample{rate: iops * float64(p.blocks) * bytesPerBlock}, err
}

// perfAverage is the line that iscsi-perf prints over all others at its end.
var perfAverage = regexp.MustCompile(`\riops average (\d+) `)

// parsePerf returns the requests per second that iscsi-perf says it made.
func parsePerf(out string) (float64, error) {
	m := perfAverage.FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("iscsi-perf: printed no average: %q", out)
	}
	iops, err := strconv.ParseFloat(m[1], 64)
	if iops == 0 {
		return 0, errors.Join(err, fmt.Errorf("iscsi-perf: read nothing: %q", out))
	}
	return iops, nil
}
