// Command bench puts iscsifs beside what a user would take instead, on the same
// LUN in RAM behind tgt, and beside the ceilings of its two halves:
//
//   - qemu-storage-daemon, which exports an iSCSI LUN through FUSE too;
//   - iscsi-perf, libiscsi without a file system, a kernel or a cache in its way;
//   - a file in memory behind go-fuse, with our mount's settings.
//
// They take turns, round after round, each with the same work; what counts is
// the median, and of that the ratio. Each kind of work (cells.go) has its goals:
// the table says which are met. A goal missed is no failure of the command, as
// the machine may be busy with other things.
//
// It needs root, tgt, libiscsi-bin, qemu-storage-daemon with qemu-block-extra,
// and fio (integration/install-deps installs them), and as much of /dev/shm as
// the LUN is large.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// options are the command's flags.
type options struct {
	program string
	json    string
	cells   []cell
	scale   scale
}

// scale is how much is measured.
type scale struct {
	LUNBytes int64 `json:"lun_bytes"`       // a multiple of the cache's, four times at least
	Rounds   int   `json:"rounds"`          // turns of each contender
	Seconds  int   `json:"seconds_at_most"` // of a turn, its last fsync aside
}

var (
	full  = scale{LUNBytes: 4 << 30, Rounds: 5, Seconds: 3}
	quick = scale{LUNBytes: 1 << 30, Rounds: 3, Seconds: 1}
)

func main() {
	serveMemoryIfAsked()
	o, err := parse(os.Args[1:])
	if err != nil {
		os.Exit(2) // flag has said why
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err = run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string) (options, error) {
	o := options{scale: full, cells: cells}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.StringVar(&o.program, "program", "bin/iscsifs", "the iscsifs `binary` to measure")
	f.StringVar(&o.json, "json", "", "`file` to write the results to")
	short := f.Bool("quick", false, "a smaller LUN, shorter turns, fewer rounds")
	rounds := f.Int("rounds", 0, "how often each contender takes its turn (default 5; quick: 3)")
	f.Func("cells", "measure only the cells whose name matches this `regexp`", func(text string) (err error) {
		o.cells, err = matching(text)
		return err
	})
	err := f.Parse(args)
	if *short {
		o.scale = quick
	}
	if *rounds > 0 {
		o.scale.Rounds = *rounds
	}
	return o, err
}
