package main

import (
	"fmt"
	"regexp"
	"strings"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// cacheSize is iscsifs's cache.size. A LUN of four times as much is read cold.
const cacheSize = 256 * mib

// cell is one kind of work, done by each contender in turn.
type cell struct {
	name    string
	job     job
	raw     []perf // the same work for iscsi-perf, where it can do it
	goals   []goal
	delayed bool // the target is farDelay away, and each turn has a new login
}

// goal is how fast iscsifs is to be: ratio times as fast as another contender.
type goal struct {
	against string
	ratio   float64
}

// The contenders' names; iscsi-perf's is its command line.
const (
	ours   = "iscsifs"
	qemu   = "qemu-storage-daemon"
	memory = "go-fuse in memory"
)

var (
	perf256K = perf{blocks: 512, inFlight: 8}
	perf1M   = perf{blocks: 2048, inFlight: 8}
	perf4K   = perf{blocks: 8, inFlight: 1, random: true}
	perf4K32 = perf{blocks: 8, inFlight: 32, random: true}
)

// coldSequential are the goals of whoever reads a LUN from one end to the other.
var coldSequential = []goal{{perf256K.name(), 0.7}, {qemu, 2}}

// fitting is how much is written at random that the default dirty_limit has
// room for: 30,000 blocks.
const fitting = 30_000 * 4 * kib

// warmSpan is a part of the LUN that stays in the cache.
const warmSpan = 64 * mib

// cells are all there is to measure, in the order of the table.
var cells = []cell{
	{
		name:  "randread 4k, depth 1",
		job:   job{rw: "randread", block: 4 * kib},
		raw:   []perf{perf4K},
		goals: []goal{{qemu, 1}},
	}, {
		name:  "randread 4k, 8 jobs",
		job:   job{rw: "randread", block: 4 * kib, jobs: 8},
		raw:   []perf{perf4K32},
		goals: []goal{{qemu, 1.2}},
	}, {
		name:  "randread 4k, libaio depth 32",
		job:   job{rw: "randread", block: 4 * kib, depth: 32},
		raw:   []perf{perf4K32},
		goals: []goal{{qemu, 3}},
	}, {
		name:  "read 1M sequential",
		job:   job{rw: "read", block: mib, sweep: true},
		raw:   []perf{perf256K, perf1M},
		goals: coldSequential,
	}, {
		name:  "read 128k sequential",
		job:   job{rw: "read", block: 128 * kib, sweep: true},
		raw:   []perf{perf256K, perf1M},
		goals: coldSequential,
	}, {
		name:  "randread 4k of cached data",
		job:   job{rw: "randread", block: 4 * kib, span: warmSpan, warm: true},
		goals: []goal{{memory, 0.8}},
	}, {
		name:  "randread 4k of cached data, 8 jobs",
		job:   job{rw: "randread", block: 4 * kib, jobs: 8, span: warmSpan, warm: true},
		goals: []goal{{memory, 0.8}},
	}, {
		name:  "randread 128k of cached data",
		job:   job{rw: "randread", block: 128 * kib, span: warmSpan, warm: true},
		goals: []goal{{memory, 0.8}},
	}, {
		name:  "randwrite 4k that fits, depth 1",
		job:   job{rw: "randwrite", block: 4 * kib, amount: fitting},
		goals: []goal{{memory, 0.8}},
	}, {
		name:  "randwrite 4k that fits, 8 jobs",
		job:   job{rw: "randwrite", block: 4 * kib, jobs: 8, amount: fitting},
		goals: []goal{{memory, 0.8}},
	}, {
		name:  "randwrite 4k without end, 8 jobs",
		job:   job{rw: "randwrite", block: 4 * kib, jobs: 8, syncAtEnd: true},
		goals: []goal{{qemu, 2}},
	}, {
		name:  "randwrite 4k + fsync each",
		job:   job{rw: "randwrite", block: 4 * kib, syncEach: true},
		goals: []goal{{qemu, 1}},
	}, {
		name:  "write 1M sequential + fsync at end",
		job:   job{rw: "write", block: mib, amount: gib, syncAtEnd: true},
		goals: []goal{{qemu, 2.5}},
	}, {
		name:  "write 4k sequential + fsync at end",
		job:   job{rw: "write", block: 4 * kib, amount: gib, syncAtEnd: true},
		goals: []goal{{qemu, 2.5}},
	}, {
		name:    "read 1M sequential, 256 MiB, 5 ms each way",
		job:     job{rw: "read", block: mib, span: 256 * mib, amount: 256 * mib},
		raw:     []perf{perf256K},
		goals:   []goal{{qemu, 20}},
		delayed: true,
	},
}

// cpuGoal is how much processor time per byte iscsifs may take, in that of
// qemu-storage-daemon, for requests of a block's size in bytes.
func cpuGoal(block int64) float64 {
	if block < 128*kib {
		return 1.5
	}
	return 1
}

// memoryGoal is how much memory iscsifs may have resident, in bytes.
const memoryGoal = cacheSize + 96*mib

// matching returns the cells whose name matches a regular expression.
func matching(pattern string) ([]cell, error) {
	expression, err := regexp.Compile(pattern)
	if err != nil {
		return nil, err
	}
	var found []cell
	var names []string
	for _, c := range cells {
		names = append(names, c.name)
		if expression.MatchString(c.name) {
			found = append(found, c)
		}
	}
	if found == nil {
		return nil, fmt.Errorf("no cell has such a name; there are:\n  %s", strings.Join(names, "\n  "))
	}
	return found, nil
}
