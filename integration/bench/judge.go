package main

import "slices"

// result is a cell measured.
type result struct {
	Cell  string     `json:"cell"`
	Block int64      `json:"block_bytes"`
	inIOs bool       // rates are shown in requests, not bytes
	Peers []standing `json:"contenders"` // ours first
}

// standing is how a contender did at a cell, and how iscsifs did beside it.
type standing struct {
	Name   string    `json:"name"`
	Rates  []float64 `json:"bytes_per_second"` // one per round
	Rate   float64   `json:"median_bytes_per_second"`
	CPU    float64   `json:"cpu_seconds_per_gib,omitempty"` // of the process that serves, median; 0 = not known
	Speed  *verdict  `json:"speed,omitempty"`               // iscsifs's rate in this one's; nil for iscsifs
	Effort *verdict  `json:"cpu,omitempty"`                 // iscsifs's processor time in this one's, where that is a goal
}

// verdict is a ratio of iscsifs to another contender, and the goal for it.
type verdict struct {
	Ratio float64 `json:"ratio"`
	Goal  *aim    `json:"goal,omitempty"` // nil = none
}

// aim is a goal, and whether it is met. That is never more than a statement: no
// goal missed makes the benchmark fail.
type aim struct {
	Limit float64 `json:"limit"`
	Met   bool    `json:"met"`
}

// atLeast judges a speed; a goal of 0 is none.
func atLeast(ratio, goal float64) *verdict {
	if goal == 0 {
		return &verdict{Ratio: ratio}
	}
	return &verdict{ratio, &aim{goal, ratio >= goal}}
}

// atMost judges what something takes.
func atMost(ratio, goal float64) *verdict { return &verdict{ratio, &aim{goal, ratio <= goal}} }

// judge takes the medians of a cell's turns and compares them. The first of the
// names is ours.
func judge(c cell, names []string, turns map[string][]sample) result {
	r := result{Cell: c.name, Block: c.job.block, inIOs: c.job.small()}
	for _, name := range names {
		r.Peers = append(r.Peers, standingOf(name, turns[name]))
	}
	us := r.Peers[0]
	for i := range r.Peers[1:] {
		them := &r.Peers[1+i]
		them.Speed = atLeast(us.Rate/them.Rate, c.goal(them.Name))
		if them.Name == qemu && them.CPU > 0 {
			them.Effort = atMost(us.CPU/them.CPU, cpuGoal(c.job.block))
		}
	}
	return r
}

// goal is the ratio to reach against a contender; 0 = none.
func (c cell) goal(against string) float64 {
	for _, g := range c.goals {
		if g.against == against {
			return g.ratio
		}
	}
	return 0
}

func standingOf(name string, turns []sample) standing {
	s := standing{Name: name}
	var efforts []float64
	for _, t := range turns {
		s.Rates = append(s.Rates, t.rate)
		if t.cpu > 0 {
			efforts = append(efforts, t.cpu/float64(t.bytes)*gib)
		}
	}
	s.Rate = median(s.Rates)
	s.CPU = median(efforts)
	return s
}

// median is the middle value, the mean of the two where there are two, and 0
// where there is none.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}
