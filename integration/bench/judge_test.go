package main

import (
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 2, 9}, 3}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
	}
}

// TestJudge: iscsifs is twice as fast as qemu-storage-daemon at the same
// processor time, and too slow beside memory.
func TestJudge(t *testing.T) {
	c := cell{name: "some", job: job{block: 128 * kib}, goals: []goal{{qemu, 2}, {memory, 0.8}}}
	turns := map[string][]sample{
		ours:   {{rate: 100 * mib, bytes: gib, cpu: 3}, {rate: 200 * mib, bytes: gib / 2, cpu: 1}, {rate: 900 * mib, bytes: gib, cpu: 1}},
		qemu:   {{rate: 100 * mib, bytes: gib, cpu: 2}},
		memory: {{rate: 400 * mib, bytes: gib, cpu: 1}},
	}
	r := judge(c, []string{ours, qemu, memory}, turns)
	if us := r.Peers[0]; us.Rate != 200*mib || us.CPU != 2 || us.Speed != nil {
		t.Errorf("iscsifs: %+v", us)
	}
	if q := r.Peers[1]; q.Speed.Ratio != 2 || *q.Speed.Goal != (aim{2, true}) || q.Effort.Ratio != 1 || *q.Effort.Goal != (aim{1, true}) {
		t.Errorf("qemu-storage-daemon: speed %+v, effort %+v", q.Speed, q.Effort)
	}
	if m := r.Peers[2]; m.Speed.Ratio != 0.5 || *m.Speed.Goal != (aim{0.8, false}) || m.Effort != nil {
		t.Errorf("memory: speed %+v, effort %+v", m.Speed, m.Effort)
	}
	whole := report{Cells: []result{r}}
	whole.judgeMemory(map[string]int64{ours: memoryGoal + 1})
	if met, all := whole.tally(); met != 2 || all != 4 {
		t.Errorf("%d of %d goals are met, want 2 of 4", met, all)
	}
	var table strings.Builder
	r.print(&table)
	for _, want := range []string{"200 MiB/s", "≥ 2.0 yes", "≥ 0.8 no", "≤ 1.0 yes"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &table)
		}
	}
}

// TestCells: each name is there once, and each goal is one of a contender that
// takes part.
func TestCells(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range cells {
		if seen[c.name] {
			t.Errorf("%s: twice", c.name)
		}
		seen[c.name] = true
		there := map[string]bool{qemu: true, memory: !c.delayed}
		for _, p := range c.raw {
			there[p.name()] = true
		}
		for _, g := range c.goals {
			if !there[g.against] {
				t.Errorf("%s: a goal against %s, which takes no part", c.name, g.against)
			}
		}
		if len(c.goals) == 0 {
			t.Errorf("%s: no goal", c.name)
		}
	}
}
