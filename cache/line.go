package cache

import (
	"context"
	"sync"
	"time"
)

// line makes callers wait one after the other, in order of arrival, for
// something that Cache.mu guards. Each entry is owned by its caller and has one
// slot; the first is woken when things have changed.
type line []chan struct{}

// wake makes the first in line look again.
func (l *line) wake() {
	if len(*l) == 0 {
		return
	}
	select {
	case (*l)[0] <- struct{}{}:
	default:
	}
}

// wait returns when try has returned true to the first in line. Where try
// returns a duration, it is asked again after it. mu is held when wait is
// called, when it calls try, and when it returns.
func (l *line) wait(ctx context.Context, mu *sync.Mutex, try func() (bool, time.Duration)) error {
	turn := make(chan struct{}, 1)
	*l = append(*l, turn)
	defer l.leave(turn)
	for {
		var again time.Duration
		if (*l)[0] == turn {
			var ok bool
			if ok, again = try(); ok {
				return nil
			}
		}
		mu.Unlock()
		err := sleep(ctx, turn, again)
		mu.Lock()
		if err != nil {
			return err
		}
	}
}

// leave takes turn out of the line and gives the next its chance.
func (l *line) leave(turn chan struct{}) {
	for i, other := range *l {
		if other == turn {
			*l = append((*l)[:i], (*l)[i+1:]...)
			break
		}
	}
	l.wake()
}

// sleep returns when turn is filled, after d if it is not 0, or with the error
// of ctx.
func sleep(ctx context.Context, turn <-chan struct{}, d time.Duration) error {
	var after <-chan time.Time
	if d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		after = timer.C
	}
	select {
	case <-turn:
		return nil
	case <-after:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
