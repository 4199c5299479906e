package initiator

import (
	"context"
	"sync"
)

// maxOpening is how many units are opened at the same time.
const maxOpening = 16

// openingGate lets units be opened side by side, and a path come or go while none is:
// so it misses no unit and a unit no path. Who waits to be alone keeps nobody out, for a
// unit that hangs while it is opened is not to hold up the others.
type openingGate struct {
	mu      sync.Mutex
	opening int           // units that are being opened
	alone   bool          // a path comes or goes; then opening is 0
	changed chan struct{} // closed, and another, whenever somebody leaves
}

func newOpeningGate() *openingGate { return &openingGate{changed: make(chan struct{})} }

// enter waits for room among those that open units, or until none does.
func (g *openingGate) enter(ctx context.Context, alone bool) error {
	for {
		changed, entered := g.tryEnter(alone)
		if entered {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func (g *openingGate) tryEnter(alone bool) (changed <-chan struct{}, entered bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.alone:
		return g.changed, false
	case alone:
		g.alone = g.opening == 0
		return g.changed, g.alone
	case g.opening < maxOpening:
		g.opening++
		return g.changed, true
	}
	return g.changed, false
}

// leave undoes enter.
func (g *openingGate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.alone {
		g.alone = false
	} else {
		g.opening--
	}
	close(g.changed)
	g.changed = make(chan struct{})
}
