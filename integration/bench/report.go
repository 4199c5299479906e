package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// report is all of a run, as it is written as JSON.
type report struct {
	Time       time.Time   `json:"time"`
	Version    string      `json:"iscsifs"`
	Qemu       string      `json:"qemu_storage_daemon"`
	Scale      scale       `json:"scale"`
	CacheBytes int64       `json:"cache_bytes"`
	Cells      []result    `json:"cells"`
	Memory     []occupancy `json:"memory"`
}

// occupancy is the most memory that a server had resident (VmHWM), in bytes.
type occupancy struct {
	Name string `json:"name"`
	Peak int64  `json:"peak_bytes"`
	Goal *aim   `json:"goal,omitempty"` // in bytes; nil = none
}

// newReport says what is about to be measured, and how.
func newReport(ctx context.Context, o options) (*report, error) {
	r := &report{Time: time.Now().UTC(), Scale: o.scale, CacheBytes: cacheSize}
	var err error
	if r.Version, err = iscsifsVersion(ctx, o.program); err != nil {
		return nil, err
	}
	r.Qemu, err = qemuVersion(ctx)
	return r, err
}

// judgeMemory takes in how much memory each server had at most.
func (r *report) judgeMemory(peaks map[string]int64) {
	r.Memory = []occupancy{
		{ours, peaks[ours], &aim{memoryGoal, peaks[ours] <= memoryGoal}},
		{Name: qemu, Peak: peaks[qemu]},
	}
}

// tally counts the goals that are met, and all.
func (r *report) tally() (met, all int) {
	for _, a := range r.aims() {
		all++
		if a.Met {
			met++
		}
	}
	return met, all
}

// aims are all goals of the report.
func (r *report) aims() []*aim {
	var list []*aim
	for _, c := range r.Cells {
		for _, p := range c.Peers {
			for _, v := range []*verdict{p.Speed, p.Effort} {
				if v != nil {
					list = append(list, v.Goal)
				}
			}
		}
	}
	for _, m := range r.Memory {
		list = append(list, m.Goal)
	}
	return slices.DeleteFunc(list, func(a *aim) bool { return a == nil })
}

// write writes the report to a file; "" is none.
func (r *report) write(path string) error {
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
