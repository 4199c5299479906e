package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// job is what fio does with a file.
type job struct {
	rw        string // fio's --rw
	block     int64  // bytes of a request
	jobs      int    // threads; 0 = 1
	depth     int    // requests in flight by libaio; 0 = one, by pread and pwrite
	span      int64  // the part of the file from its start, in bytes; 0 = all
	amount    int64  // bytes to move, if there is time; 0 = as many as there is time for
	sweep     bool   // read once a part of the file that no other turn reads
	warm      bool   // all of span was read before
	syncEach  bool   // fsync after each write
	syncAtEnd bool   // fsync after the last write, which counts as part of the work
}

// turn is when a job is done, and how long it may take.
type turn struct {
	round, rounds int
	seconds       int
}

// sample is one turn of a contender.
type sample struct {
	bytes int64
	rate  float64 // bytes per second
	cpu   float64 // seconds of processor time of the process that serves; 0 = not known
}

func (j job) writes() bool { return strings.Contains(j.rw, "write") }

// small tells whether it is the number of requests that counts, not of bytes.
func (j job) small() bool { return strings.HasPrefix(j.rw, "rand") && j.block < 128*kib }

// warmUp is the job that brings j's span into a cache. It reads it twice: a
// cache may rightly think little of what was read once.
func (j job) warmUp() job {
	return job{rw: "read", block: mib, span: j.span, amount: 2 * j.span}
}

// area is the part of a file of size bytes that a turn of j works on. A sweep
// has another one in each round: a cache may keep much of a smaller area.
func (j job) area(size int64, t turn) (offset, length int64) {
	switch {
	case j.sweep:
		part := size / int64(t.rounds) / mib * mib
		return part * int64(t.round), part
	case j.span != 0:
		return 0, j.span
	}
	return 0, size
}

// args are fio's. Threads, not processes, so that fio's end is the end of all;
// other random offsets every time, else a turn would find in the cache what the
// one before has read.
func (j job) args(file string, size int64, t turn) []string {
	offset, length := j.area(size, t)
	args := []string{"--name=bench", "--filename=" + file, "--allow_file_create=0", "--thread", "--group_reporting",
		"--randrepeat=0", "--output-format=json", "--eta=never",
		"--rw=" + j.rw, fmt.Sprint("--bs=", j.block), fmt.Sprint("--offset=", offset), fmt.Sprint("--size=", length),
		fmt.Sprint("--numjobs=", max(j.jobs, 1)), fmt.Sprintf("--runtime=%ds", t.seconds)}
	switch {
	case j.amount != 0:
		args = append(args, fmt.Sprint("--io_size=", j.amount/int64(max(j.jobs, 1))))
	case !j.sweep:
		args = append(args, "--time_based")
	}
	if j.depth != 0 { // libaio is asynchronous with O_DIRECT only
		args = append(args, "--ioengine=libaio", "--direct=1", fmt.Sprint("--iodepth=", j.depth))
	} else {
		args = append(args, "--ioengine=psync")
	}
	if j.syncEach {
		args = append(args, "--fsync=1")
	}
	if j.syncAtEnd {
		args = append(args, "--end_fsync=1")
	}
	return args
}

// fio does j with a file of size bytes.
func fio(ctx context.Context, j job, file string, size int64, t turn) (sample, error) {
	out, err := output(ctx, "fio", j.args(file, size, t)...)
	if err != nil {
		return sample{}, err
	}
	return parseFio(out)
}

// fioResult is the part of fio's JSON that counts.
type fioResult struct {
	Jobs []struct{ Read, Write fioDirection }
}

type fioDirection struct {
	Bytes int64   `json:"io_bytes"`
	Rate  float64 `json:"bw_bytes"` // bytes per second
}

// parseFio reads fio's output: notes, if it has any, then JSON.
func parseFio(out string) (sample, error) {
	var r fioResult
	start := max(strings.IndexByte(out, '{'), 0)
	if err := json.Unmarshal([]byte(out[start:]), &r); err != nil || len(r.Jobs) != 1 {
		return sample{}, fmt.Errorf("fio: printed no result of one group of jobs (%v): %q", err, out)
	}
	d := r.Jobs[0].Read
	if d.Bytes == 0 {
		d = r.Jobs[0].Write
	}
	if d.Bytes == 0 || d.Rate == 0 {
		return sample{}, fmt.Errorf("fio: moved nothing: %q", out)
	}
	return sample{bytes: d.Bytes, rate: d.Rate}, nil
}
