package daemon

import (
	"slices"
	"testing"
)

var allStates = []State{Starting, Serving, Leaving, Stopping, Finishing, Stopped}

// The state changes along the arrows of the diagram and no others.
func TestLifecycle(t *testing.T) {
	arrows := map[State][]State{
		Starting:  {Serving, Stopped},
		Serving:   {Leaving, Stopping, Finishing},
		Leaving:   {Stopping, Finishing},
		Stopping:  {Serving, Leaving, Finishing},
		Finishing: {Stopped},
		Stopped:   nil,
	}
	for _, from := range allStates {
		for _, to := range allStates {
			l := lifecycle{state: from}
			want := slices.Contains(arrows[from], to)
			if got := l.change(from, to); got != want || (l.now() == to) != (want || from == to) {
				t.Errorf("%s to %s: %v, now %s", from, to, got, l.now())
			}
		}
	}
}

// Who believes the daemon to be in another state changes nothing.
func TestLifecycleLostRace(t *testing.T) {
	l := lifecycle{state: Leaving}
	if l.change(Serving, Stopping) || l.now() != Leaving {
		t.Errorf("now %s", l.now())
	}
}

func TestLifecycleTells(t *testing.T) {
	var told []State
	l := lifecycle{onState: func(s State) { told = append(told, s) }}
	l.change(Starting, Serving)
	l.change(Starting, Stopped) // refused
	l.finish()
	if want := []State{Serving, Finishing}; !slices.Equal(told, want) {
		t.Errorf("told %v, want %v", told, want)
	}
}
