package daemon

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/iscsifs/iscsifs/cmd/internal/holders"
)

// searched counts searches, and lets each end when it is told to.
type searched struct {
	searches
	count atomic.Int32
	end   chan struct{} // a token for each search that is to end
}

func newSearched() *searched {
	s := &searched{end: make(chan struct{}, 100)}
	s.searches = newSearches(func() ([]holders.Holder, []holders.Note, error) {
		n := s.count.Add(1)
		<-s.end
		return []holders.Holder{{PID: int(n)}}, nil, nil
	})
	return s
}

// Those who ask while a search is under way are served by one other, which began later
// than they asked: what it has not seen was not there then.
func TestSearchIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSearched()
		var group sync.WaitGroup
		ask := func(want int) {
			group.Go(func() {
				list, _, err := s.find(t.Context())
				if err != nil || list[0].PID != want {
					t.Errorf("%+v (%v), want what search %d has found", list, err, want)
				}
				list[0].PID = 0 // it is the caller's
			})
		}
		ask(1)
		synctest.Wait()
		for range 50 {
			ask(2)
		}
		synctest.Wait()
		s.end <- struct{}{}
		synctest.Wait()
		ask(3)
		synctest.Wait()
		s.end <- struct{}{}
		s.end <- struct{}{}
		group.Wait()
		if n := s.count.Load(); n != 3 {
			t.Errorf("%d searches", n)
		}
	})
}

// Who waits for a search waits no longer than it wants to, and the others go on.
func TestSearchIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSearched()
		var group sync.WaitGroup
		group.Go(func() { _, _, _ = s.find(t.Context()) })
		synctest.Wait()
		why := errors.New("enough")
		ctx, leave := context.WithCancelCause(t.Context())
		group.Go(func() {
			if _, _, err := s.find(ctx); !errors.Is(err, why) {
				t.Error(err)
			}
		})
		group.Go(func() {
			if list, _, err := s.find(t.Context()); err != nil || list[0].PID != 2 {
				t.Errorf("%+v, %v", list, err)
			}
		})
		synctest.Wait()
		leave(why)
		synctest.Wait()
		s.end <- struct{}{}
		s.end <- struct{}{}
		group.Wait()
	})
}
