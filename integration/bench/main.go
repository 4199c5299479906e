// Command bench compares reading a LUN through iscsifs with reading the same
// LUN by libiscsi's iscsi-perf, which has no file system, no kernel and no
// cache in its way: the ratio is what the way through FUSE costs.
//
// The LUN lies in RAM behind tgt, and is larger than any cache of ours. The two
// readers take turns; what counts is the median. It needs root, tgt,
// libiscsi-bin and fio (integration/install-deps installs them).
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// options are the command's flags.
type options struct {
	program string
	size    int64 // bytes of the LUN
	rounds  int
	seconds int // of each reading
	json    string
}

// report is what is printed and written as JSON. Rates are in bytes per second.
type report struct {
	Time      time.Time `json:"time"`
	Version   string    `json:"version"`
	Size      int64     `json:"lun_bytes"`
	Seconds   int       `json:"seconds_per_run"`
	IscsiPerf []float64 `json:"iscsi_perf"`
	Iscsifs   []float64 `json:"iscsifs"`
	Ratio     float64   `json:"ratio_of_medians"`
}

func main() {
	var o options
	flag.StringVar(&o.program, "program", "bin/iscsifs", "the iscsifs `binary` to measure")
	flag.Int64Var(&o.size, "size", 1<<30, "`bytes` of the LUN in /dev/shm")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each reader takes its turn")
	flag.IntVar(&o.seconds, "seconds", 4, "how long a turn lasts")
	flag.StringVar(&o.json, "json", "", "`file` to write the results to")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	if err := run(ctx, o); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	s, err := newScene(ctx, o)
	if err != nil {
		return err
	}
	defer s.close()
	r := report{Time: time.Now().UTC(), Size: o.size, Seconds: o.seconds}
	if r.Version, err = s.version(ctx); err != nil {
		return err
	}
	for round := range o.rounds {
		perf, err := s.iscsiPerf(ctx, o.seconds)
		if err != nil {
			return err
		}
		fio, err := s.fio(ctx, o.seconds)
		if err != nil {
			return err
		}
		fmt.Printf("round %d: iscsi-perf %6.0f MB/s, iscsifs %6.0f MB/s\n", round+1, perf/1e6, fio/1e6)
		r.IscsiPerf, r.Iscsifs = append(r.IscsiPerf, perf), append(r.Iscsifs, fio)
	}
	r.Ratio = median(r.Iscsifs) / median(r.IscsiPerf)
	fmt.Printf("medians: iscsi-perf %6.0f MB/s, iscsifs %6.0f MB/s: %.0f %%\n",
		median(r.IscsiPerf)/1e6, median(r.Iscsifs)/1e6, 100*r.Ratio)
	return r.write(o.json)
}

func (r report) write(path string) error {
	if path == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
