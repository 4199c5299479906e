package main

import (
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Bounds of what the log takes of one message: a target with a thousand LUNs that goes
// away and comes back, and again, is to leave lines that people read.
const (
	floodLines  = 10 // of one message in floodWindow; then their number
	floodWindow = time.Minute
	floodKinds  = 1000 // messages that are told apart
)

// flood is a zerolog.Hook that leaves out lines whose message was logged often just
// before, and says how many there were. Who asks for debug gets everything.
type flood struct {
	to zerolog.Logger // gets the number of lines left out

	mu    sync.Mutex // guards what follows
	seen  map[string]*repeated
	timer *time.Timer // runs while seen is not empty
}

// repeated is a message of the present window.
type repeated struct {
	level zerolog.Level // the highest
	lines int
}

func newFlood(to zerolog.Logger) *flood { return &flood{to: to, seen: map[string]*repeated{}} }

// Run is called for each line before it is written.
func (f *flood) Run(e *zerolog.Event, level zerolog.Level, message string) {
	if level < zerolog.InfoLevel || zerolog.GlobalLevel() < zerolog.InfoLevel {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r := f.seen[message]
	if r == nil {
		if len(f.seen) == floodKinds {
			return // each of them is another: no flood of one
		}
		r = &repeated{}
		f.seen[message] = r
	}
	if f.timer == nil {
		f.timer = time.AfterFunc(floodWindow, f.tell)
	}
	r.level = max(r.level, level)
	if r.lines++; r.lines > floodLines {
		e.Discard()
	}
}

// tell ends the window.
func (f *flood) tell() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.timer != nil {
		f.timer.Stop()
		f.timer = nil
	}
	for message, r := range f.seen {
		if more := r.lines - floodLines; more > 0 {
			f.to.WithLevel(r.level).Int("lines", more).Msg("left out, as they are alike (`iscsifs status` shows all LUNs): " + message)
		}
	}
	clear(f.seen)
}

// end closes the log; nothing is logged any more.
func (l *daemonLog) end() {
	l.flood.tell()
	_ = l.close() // nothing is buffered
}
