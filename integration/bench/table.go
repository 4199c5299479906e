package main

import (
	"fmt"
	"io"
	"strings"
)

// printRow prints a line of the table: under the name of each cell there is one
// for each contender.
func printRow(w io.Writer, name, rate, ratio, goal, cpu, cpuRatio, cpuGoal string) {
	line := fmt.Sprintf("  %-26s %14s  %6s  %-11s  %9s  %6s  %s", name, rate, ratio, goal, cpu, cpuRatio, cpuGoal)
	fmt.Fprintln(w, strings.TrimRight(line, " "))
}

// printStart prints what is measured, and the table's head.
func (r *report) printStart(w io.Writer) {
	fmt.Fprintf(w, "%s, %s\nLUN %d MiB, cache.size %d MiB, medians of %d rounds, turns of at most %d s\n"+
		"ratio: what iscsifs has, divided by what the line's contender has\n\n",
		r.Version, r.Qemu, r.Scale.LUNBytes/mib, r.CacheBytes/mib, r.Scale.Rounds, r.Scale.Seconds)
	printRow(w, "", "rate", "ratio", "goal", "CPU s/GiB", "ratio", "goal")
}

func (r result) print(w io.Writer) {
	fmt.Fprintln(w, r.Cell)
	for _, p := range r.Peers {
		ratio, goal := p.Speed.format("≥")
		cpuRatio, cpuGoal := p.Effort.format("≤")
		printRow(w, p.Name, r.rate(p.Rate), ratio, goal, p.effort(), cpuRatio, cpuGoal)
	}
}

// rate is in what one counts such requests in.
func (r result) rate(bytes float64) string {
	if r.inIOs {
		return fmt.Sprintf("%.1f k/s", bytes/float64(r.Block)/1e3)
	}
	return fmt.Sprintf("%.0f MiB/s", bytes/mib)
}

func (s standing) effort() string {
	if s.CPU == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", s.CPU)
}

// format returns the ratio, and the goal with its verdict, if there are any.
func (v *verdict) format(relation string) (ratio, goal string) {
	if v == nil {
		return "", ""
	}
	ratio = fmt.Sprintf("%.2f", v.Ratio)
	if v.Goal != nil {
		goal = fmt.Sprintf("%s %.1f %s", relation, v.Goal.Limit, yesNo(v.Goal.Met))
	}
	return ratio, goal
}

// printEnd prints what is known at the end only.
func (r *report) printEnd(w io.Writer) {
	fmt.Fprintln(w, "\nmemory resident at most")
	for _, m := range r.Memory {
		goal := ""
		if m.Goal != nil {
			goal = fmt.Sprintf("≤ %.0f MiB %s", m.Goal.Limit/mib, yesNo(m.Goal.Met))
		}
		printRow(w, m.Name, fmt.Sprintf("%d MiB", m.Peak/mib), "", goal, "", "", "")
	}
	met, all := r.tally()
	fmt.Fprintf(w, "\n%d of %d goals are met.\n", met, all)
}

func yesNo(met bool) string {
	if met {
		return "yes"
	}
	return "no"
}
