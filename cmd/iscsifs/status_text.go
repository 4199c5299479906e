package main

import (
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/cmd/internal/status"
)

// timeForm is how status shows times to people.
const timeForm = "2006-01-02 15:04:05"

// statusWriter shows a report to people.
type statusWriter struct {
	out     io.Writer
	verbose int
	paint   painter
}

// writeStatus shows a report to people; verbose from 0 to 2 says how much of it.
func writeStatus(out io.Writer, r status.Report, verbose int) {
	w := &statusWriter{out, verbose, newPainter(out)}
	if len(r.Mounts) == 0 {
		w.line(0, "nothing is mounted")
	}
	for _, m := range r.Mounts {
		w.mount(m)
	}
}

// line writes one line, indented.
func (w *statusWriter) line(depth int, format string, args ...any) {
	fmt.Fprintf(w.out, strings.Repeat("  ", depth)+format+"\n", args...)
}

func (w *statusWriter) mount(m status.Mount) {
	by := ""
	if m.PID != 0 {
		by = fmt.Sprintf(", process %d", m.PID)
	}
	w.line(0, "%s  %s  (%s%s)", m.Mountpoint, w.paint.state(m.State), m.Config, by)
	w.warnings(1, m.Warnings)
	if w.verbose > 0 && m.Log != "" {
		w.line(1, "log: %s", m.Log)
	}
	if w.verbose > 0 && m.Protection != nil {
		w.protection(*m.Protection)
	}
	for _, t := range m.Targets {
		w.target(t)
	}
}

// protection says what happens to the daemon when memory is short.
func (w *statusWriter) protection(p status.Protection) {
	flusher := "no"
	if p.IOFlusher {
		flusher = "yes"
	}
	w.line(1, "when memory is short: I/O flusher: %s  locked: %s  oom_score_adj: %d", flusher, p.Locked, p.OOMScoreAdj)
	for _, gap := range p.Gaps {
		w.line(2, "%s", gap)
	}
}

func (w *statusWriter) warnings(depth int, list []string) {
	for _, text := range list {
		w.line(depth, "%s %s", w.paint.yellow("warning:"), text)
	}
}

func (w *statusWriter) target(t status.Target) {
	w.line(1, "%s  %s since %s", t.IQN, w.paint.state(t.State), t.Since.Local().Format(timeForm))
	if t.Reason != "" {
		w.line(2, "%s: %s", reasonWord(t), plain.Text(t.Reason))
	}
	if t.NextAttempt != nil {
		w.line(2, "next attempt: %s", t.NextAttempt.Local().Format(timeForm))
	}
	if t.Reconnects > 0 {
		w.line(2, "reconnects: %d", t.Reconnects)
	}
	for _, p := range t.Portals {
		w.portal(p)
	}
	if w.verbose > 0 {
		for _, key := range slices.Sorted(maps.Keys(t.Negotiated)) {
			w.line(3, "%s: %s", key, plain.Text(t.Negotiated[key]))
		}
	}
	if w.verbose > 1 {
		w.stats(t.Stats)
	}
	for _, l := range t.LUNs {
		w.lun(l)
	}
}

// reasonWord tells a reason that lasts from one that has passed.
func reasonWord(t status.Target) string {
	if t.State == "logged in" {
		return "last lost"
	}
	return "reason"
}

func (w *statusWriter) portal(p status.Portal) {
	group := ""
	if p.TPGT >= 0 {
		group = fmt.Sprintf(",%d", p.TPGT)
	}
	alua := ""
	if p.ALUA != "" {
		alua = "  " + p.ALUA
	}
	w.line(2, "portal %s%s  %s%s", p.Address, group, w.paint.state(p.State), alua)
	if p.Reason != "" {
		w.line(3, "reason: %s", plain.Text(p.Reason))
	}
}

func (w *statusWriter) lun(l status.LUN) {
	about := []string{l.Path, humanize.IBytes(uint64(l.Size)), fmt.Sprintf("%d-byte blocks", l.BlockSize)}
	if product := strings.TrimSpace(l.Vendor + " " + l.Product); product != "" {
		about = append(about, product)
	}
	if l.ReadOnly {
		about = append(about, "read-only")
	}
	if l.Thin {
		about = append(about, "thin")
	}
	w.line(2, "LUN %d  %s", l.LUN, strings.Join(about, "  "))
	if l.Reservation != "" {
		w.line(3, "reservation: %s, key %s", w.paint.state(l.Reservation), l.ReservationKey)
	}
	if l.DirtyBytes+l.UnsyncedBytes > 0 {
		w.line(3, "dirty: %s, of it held back: %s; not yet synchronized: %s", humanize.IBytes(uint64(l.DirtyBytes)),
			humanize.IBytes(uint64(l.HeldBytes)), humanize.IBytes(uint64(l.UnsyncedBytes)))
	}
	if l.Waiting > 0 {
		w.line(3, "commands that wait for the target: %d", l.Waiting)
	}
	w.warnings(3, l.Warnings)
	for _, h := range l.Holders {
		w.holder(h)
	}
	if w.verbose > 0 {
		w.line(3, "revision: %s  serial: %s  id: %s", orDash(l.Revision), orDash(l.Serial), orDash(l.ID))
		w.line(3, "read: %s  written: %s  in flight: %d  cache hits: %d  misses: %d", humanize.IBytes(l.ReadBytes),
			humanize.IBytes(l.WrittenBytes), l.InFlight, l.CacheHits, l.CacheMisses)
	}
}

// orDash is a text, or a dash for one that the target does not give.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func (w *statusWriter) holder(h status.Holder) {
	who := h.Name
	if h.PID != 0 {
		who = fmt.Sprintf("%d (%s, user %s)", h.PID, h.Name, h.User)
	}
	free := ""
	if h.Command != "" {
		free = ", freed by: " + h.Command
	}
	w.line(3, "held by %s %s%s", h.Kind, who, free)
}

// stats writes the counters under their names in JSON, those of iscsiadm.
func (w *statusWriter) stats(s status.Stats) {
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		w.line(3, "%s: %d", v.Type().Field(i).Tag.Get("json"), v.Field(i).Uint())
	}
}

// painter colours words where someone looks.
type painter struct{ on bool }

func newPainter(out io.Writer) painter { return painter{colours(out)} }

func (p painter) colour(code, s string) string {
	if !p.on {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p painter) yellow(s string) string { return p.colour("33", s) }

// state paints what is well green, what is not there red, and the rest yellow.
func (p painter) state(s string) string {
	switch s {
	case "serving", "logged in", "up", "held":
		return p.colour("32", s)
	case "dead", "unanswering", "closed", "lost":
		return p.colour("31", s)
	case "not in use":
		return s
	}
	return p.yellow(s)
}
