package daemon

import (
	"context"
	"slices"
	"sync"

	"github.com/iscsifs/iscsifs/cmd/internal/holders"
)

// searches look for holders. A search reads all of /proc, and takes long on a host with
// many processes; so there is one at a time, and it serves all who asked before it began:
// a logout from a hundred targets takes two.
type searches struct {
	do   func() ([]holders.Holder, []holders.Note, error)
	turn chan struct{} // the right to search; one slot

	mu   sync.Mutex
	next *search // that has not begun; nil = nobody waits for one
}

// search is a search for holders and what it has found, which is for who has the turn
// until done is closed, then for all to read.
type search struct {
	done  chan struct{}
	list  []holders.Holder
	notes []holders.Note
	err   error
}

func newSearches(do func() ([]holders.Holder, []holders.Note, error)) searches {
	return searches{do: do, turn: make(chan struct{}, 1)}
}

// find returns what a search has found that began after the call. The list is the
// caller's.
func (s *searches) find(ctx context.Context) ([]holders.Holder, []holders.Note, error) {
	found := s.join()
	select {
	case s.turn <- struct{}{}: // also for who is being interrupted
		s.make(found)
	default:
		if err := s.await(ctx, found); err != nil {
			return nil, nil, err
		}
	}
	return slices.Clone(found.list), found.notes, found.err
}

// await returns when the search is made, by the caller if its turn comes before that.
func (s *searches) await(ctx context.Context, found *search) error {
	select {
	case s.turn <- struct{}{}:
		s.make(found)
	case <-found.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	return nil
}

// join returns the search that is the next to begin.
func (s *searches) join() *search {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = &search{done: make(chan struct{})}
	}
	return s.next
}

// make makes a search, unless who had the turn before has, and gives the turn back.
func (s *searches) make(found *search) {
	defer func() { <-s.turn }()
	s.mu.Lock()
	made := s.next != found
	if !made {
		s.next = nil
	}
	s.mu.Unlock()
	if made {
		return
	}
	found.list, found.notes, found.err = s.do()
	close(found.done)
}
