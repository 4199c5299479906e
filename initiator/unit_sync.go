package initiator

import (
	"context"
	"slices"
)

// fence counts the writes that began between two calls of Sync, guarded by
// Unit.mu.
type fence struct {
	writes int
	empty  chan struct{} // closed when a later fence stands and no write is left
}

func newFence() *fence { return &fence{empty: make(chan struct{})} }

// enter takes note of a write that begins; leave, of its end.
func (u *Unit) enter() *fence {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fence.writes++
	return u.fence
}

func (u *Unit) leave(f *fence) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f.writes--
	if f.writes == 0 && f != u.fence {
		close(f.empty)
		u.fences = slices.DeleteFunc(u.fences, func(x *fence) bool { return x == f })
	}
}

// Sync makes durable what the target has answered GOOD for, on whichever path:
// SYNCHRONIZE CACHE goes out when all writes that began before have been
// answered, on one path, as the logical unit has one cache.
func (u *Unit) Sync(ctx context.Context) error {
	if err := u.awaitWrites(ctx); err != nil {
		return err
	}
	a := access{u: u, op: "SYNCHRONIZE CACHE", write: true}
	return a.run(ctx, 0, func(d *Disk) error { return d.Sync(ctx) })
}

// awaitWrites returns when the writes that have begun have ended.
func (u *Unit) awaitWrites(ctx context.Context) error {
	u.mu.Lock()
	if u.fence.writes > 0 {
		u.fences = append(u.fences, u.fence)
		u.fence = newFence()
	}
	pending := slices.Clone(u.fences)
	u.mu.Unlock()
	for _, f := range pending {
		select {
		case <-f.empty:
		case <-ctx.Done():
			return u.error("SYNCHRONIZE CACHE", context.Cause(ctx))
		}
	}
	return nil
}
