package target

import "sync"

// Gate holds back what rules give it until Release, which opens it for good.
type Gate struct {
	mu   sync.Mutex
	open chan struct{}
	then []func()
}

// NewGate returns a closed gate.
func NewGate() *Gate { return &Gate{open: make(chan struct{})} }

// Release opens the gate and lets what was held go on, in its order, in the
// calling goroutine.
func (g *Gate) Release() {
	g.mu.Lock()
	held := g.then
	g.then = nil
	select {
	case <-g.open:
	default:
		close(g.open)
	}
	g.mu.Unlock()
	for _, f := range held {
		f()
	}
}

// Held returns how many are held back.
func (g *Gate) Held() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.then)
}

// hold keeps f for Release; false when the gate is open.
func (g *Gate) hold(f func()) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.open:
		return false
	default:
		g.then = append(g.then, f)
		return true
	}
}
