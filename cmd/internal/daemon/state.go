package daemon

import (
	"fmt"
	"slices"
	"sync"
	"time"
)

// State says where a daemon stands between its start and its end.
type State uint8

// The states. Only lifecycle.change changes them, along these arrows:
//
//	             the files are there         asked by a command
//	Starting ─────────────────────► Serving ────────────────────► Stopping
//	   │                              │  ▲                         ▲  │  │
//	   │ a required target failed     │  └─────────────────────────│──┘  │
//	   │                              │    in use, or dirty        │     │
//	   │                    asked by  │    data remains            │     │
//	   │                    a signal  ▼                            │     │
//	   │                            Leaving ───────────────────────┘     │
//	   │                              ▲    no holder is left             │
//	   │                              └── in use, dirty, or --lazy ──────┤
//	   ▼                                                                 │
//	Stopped ◄──────────────── Finishing ◄────────────────────────────────┘
//	           flushed,                   the mount is gone
//	           logged out
//
// Who unmounts without asking takes the daemon from Serving or Leaving, too, to
// Finishing.
const (
	Starting  State = iota
	Serving         // files are in use or may be
	Leaving         // asked to end; serves until the last holder has gone
	Stopping        // flushes and unmounts, if nothing is in the way
	Finishing       // unmounted; flushes what is left and logs out
	Stopped         // the end
)

// follows has for each state those that may come after it.
var follows = map[State][]State{
	Starting:  {Serving, Stopped},
	Serving:   {Leaving, Stopping, Finishing},
	Leaving:   {Stopping, Finishing},
	Stopping:  {Serving, Leaving, Finishing},
	Finishing: {Stopped},
}

// String is the state as status shows it.
func (s State) String() string {
	switch s {
	case Starting:
		return "starting"
	case Serving:
		return "serving"
	case Leaving:
		return "leaving"
	case Stopping:
		return "stopping"
	case Finishing:
		return "finishing"
	case Stopped:
		return "stopped"
	}
	return fmt.Sprintf("unknown(%d)", uint8(s))
}

// lifecycle holds the state of a daemon.
type lifecycle struct {
	onState func(State) // told of each change, outside of the lock; may be nil

	mu    sync.Mutex
	state State
	since time.Time
}

// change goes from one state to another. It reports false, and changes nothing,
// if the daemon is in another state by now or the states have no arrow between
// them. It is the only place that changes the state.
func (l *lifecycle) change(from, to State) bool {
	l.mu.Lock()
	ok := l.state == from && slices.Contains(follows[from], to)
	if ok {
		l.state, l.since = to, time.Now()
	}
	l.mu.Unlock()
	if ok && l.onState != nil {
		l.onState(to)
	}
	return ok
}

// finish goes to Finishing from wherever the daemon is.
func (l *lifecycle) finish() {
	for !l.change(l.now(), Finishing) { // a stop that failed just then changes it too
	}
}

func (l *lifecycle) now() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}
