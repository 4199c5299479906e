package main

import (
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/cmd/internal/status"
)

// statusWriter shows a report to people. Much of it is what targets, paths and other
// users' processes are called: all of it goes through line, which cleans it.
type statusWriter struct {
	out     io.Writer
	verbose int
	paint   painter
}

// writeStatus shows a report to people, with or without colours; verbose from 0 to 2
// says how much of it.
func writeStatus(out io.Writer, r status.Report, verbose int, coloured bool) {
	w := &statusWriter{out, verbose, painter{coloured}}
	if len(r.Mounts) == 0 {
		w.line(0, "nothing is mounted")
	}
	for _, m := range r.Mounts {
		w.mount(m)
	}
}

// line writes one line, indented. Strings among its arguments lose what does not print,
// and several lines become one; those that are painted have lost it before.
func (w *statusWriter) line(depth int, format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = plain.Text(strings.ReplaceAll(s, "\n", "; "))
		}
	}
	fmt.Fprintf(w.out, strings.Repeat("  ", depth)+format+"\n", args...)
}

func (w *statusWriter) mount(m status.Mount) {
	by := ""
	if m.PID != 0 {
		by = fmt.Sprintf(", process %d", m.PID)
	}
	w.line(0, "%s  %s  (%s%s)", m.Mountpoint, w.paint.state(m.State), m.Config, by)
	w.warnings(1, m.Warnings)
	if m.Log != "" {
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
	w.line(1, "%s  %s since %s", t.IQN, w.paint.state(t.State), clock(t.Since))
	if t.Reason != "" {
		w.line(2, "%s: %s", reasonWord(t), t.Reason)
	}
	if t.NextAttempt != nil {
		w.line(2, "next attempt: %s", clock(*t.NextAttempt))
	}
	if t.Reconnects > 0 {
		w.line(2, "reconnects: %d", t.Reconnects)
	}
	for _, p := range t.Portals {
		w.portal(p)
	}
	if w.verbose > 0 {
		w.settings(t)
		for _, s := range t.Sessions {
			w.session(s)
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
	alua := ""
	if p.ALUA != "" {
		alua = "  " + p.ALUA
	}
	w.line(2, "portal %s  %s%s", withGroup(p.Address, p.TPGT), w.paint.state(p.State), alua)
	if p.Reason != "" {
		w.line(3, "reason: %s", p.Reason)
	}
}

// withGroup is a portal with its target portal group tag, as iscsiadm shows it.
func withGroup(address string, tag int) string {
	if tag < 0 {
		return address
	}
	return fmt.Sprintf("%s,%d", address, tag)
}

// settings are what the configuration says of the target's sessions.
func (w *statusWriter) settings(t status.Target) {
	if t.Alias != "" {
		w.line(2, "alias: %s", t.Alias)
	}
	w.line(2, "interface: %s", orDash(t.Interface))
	switch {
	case t.CHAP == nil:
		w.line(2, "CHAP: none")
	case t.CHAP.MutualUsername == "":
		w.line(2, "CHAP: username %s, password ********; the target proves nothing", t.CHAP.Username)
	default:
		w.line(2, "CHAP: username %s, password ********; the target as %s, password ********", t.CHAP.Username, t.CHAP.MutualUsername)
	}
	o := t.Timeouts
	w.line(2, "timeouts: login %s, ping every %s for %s, command %s, flush %s, replacement %s", seconds(&o.Login),
		seconds(&o.NoopInterval), seconds(&o.Noop), seconds(&o.Command), seconds(&o.Flush), seconds(o.Replacement))
}

// seconds shows a duration; nil is none at all.
func seconds(s *float64) string {
	if s == nil {
		return "never"
	}
	return time.Duration(*s * float64(time.Second)).String()
}

func (w *statusWriter) session(s status.Session) {
	w.line(2, "session ISID %s, TSIH %d  %s since %s", s.ISID, s.TSIH, w.paint.state(s.State), clock(s.Since))
	w.line(3, "portal: %s at %s, persistent: %s", withGroup(s.Portal, s.TPGT), s.RemoteAddress, s.PersistentPortal)
	w.line(3, "initiator: %s at %s, device: %s", s.InitiatorName, s.LocalAddress, orDash(s.Device))
	w.line(3, "last heard of: %s, reconnects: %d", clock(s.LastContact), s.Reconnects)
	for _, key := range slices.Sorted(maps.Keys(s.Negotiated)) {
		w.line(3, "%s: %s", key, s.Negotiated[key])
	}
}

func (w *statusWriter) lun(l status.LUN) {
	about := []string{l.Path, humanize.IBytes(uint64(l.Size)), fmt.Sprintf("%d-byte blocks", l.BlockSize)}
	if product := strings.TrimSpace(l.Vendor + " " + l.Product); product != "" {
		about = append(about, product)
	}
	if l.Serial != "" {
		about = append(about, "serial "+l.Serial)
	}
	if l.ReadOnly {
		about = append(about, "read-only")
	}
	if l.Thin {
		about = append(about, "thin")
	}
	w.line(2, "LUN %d  %s  %s", l.LUN, w.paint.state(l.State), strings.Join(about, "  "))
	if l.Reservation != "" {
		w.line(3, "reservation: %s, key %s", w.paint.state(l.Reservation), l.ReservationKey)
	}
	w.line(3, "cache hits: %s  dirty: %s  in flight: %d", hitRate(l), humanize.IBytes(uint64(l.DirtyBytes)), l.InFlight)
	if l.HeldBytes > 0 {
		w.line(3, "held back: %s", humanize.IBytes(uint64(l.HeldBytes)))
	}
	if l.Waiting > 0 {
		w.line(3, "commands that wait for the target: %d", l.Waiting)
	}
	w.warnings(3, l.Warnings)
	for _, h := range l.Holders {
		w.holder(h)
	}
	if w.verbose > 0 {
		w.line(3, "revision: %s  id: %s", orDash(l.Revision), orDash(l.ID))
		w.line(3, "read: %s  written: %s  not yet synchronized: %s  cache: %d hits, %d misses", humanize.IBytes(l.ReadBytes),
			humanize.IBytes(l.WrittenBytes), humanize.IBytes(uint64(l.UnsyncedBytes)), l.CacheHits, l.CacheMisses)
	}
}

// hitRate is the share of what was read that was found in memory.
func hitRate(l status.LUN) string {
	all := l.CacheHits + l.CacheMisses
	if all == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f%%", 100*float64(l.CacheHits)/float64(all))
}

// orDash is a text, or a dash for one that there is not.
func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// clock is a time as people read it here.
func clock(t time.Time) string { return t.Local().Format(time.DateTime) }

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

// painted is text that is fit for a terminal, with its colour.
type painted string

// painter colours words where someone looks.
type painter struct{ on bool }

func (p painter) colour(code, s string) painted {
	s = plain.Text(s)
	if !p.on {
		return painted(s)
	}
	return painted("\x1b[" + code + "m" + s + "\x1b[0m")
}

func (p painter) yellow(s string) painted { return p.colour("33", s) }

// state paints what is well green, what is not there red, and the rest yellow.
func (p painter) state(s string) painted {
	switch s {
	case "serving", "logged in", "up", "held", "ready":
		return p.colour("32", s)
	case "dead", "unanswering", "closed", "lost", "refused":
		return p.colour("31", s)
	case "not in use":
		return painted(s)
	}
	return p.yellow(s)
}
