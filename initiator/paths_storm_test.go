package initiator

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/target"
)

// TestPathsStorm: connections are cut at random, sometimes all, while the target
// executes some writes late, so that many are unanswered when their path is lost.
// Whoever writes a block reads what it wrote last: never what an older write, held
// up in the target, brings.
func TestPathsStorm(t *testing.T) {
	l := newPathsLab(t, 3, func(_ *target.Config, c *Config) { c.ReplacementTimeout = -1 })
	var turn sync.Mutex
	dice := rand.New(rand.NewPCG(1, 2))
	roll := func(n int) int {
		turn.Lock()
		defer turn.Unlock()
		return dice.IntN(n)
	}
	for i, d := range []time.Duration{100 * time.Millisecond, 30 * time.Millisecond} {
		odds := 4 << i
		l.OnExecute(target.All(target.SCSI(target.OpWrite10), func(*target.Event) bool { return roll(odds) == 0 }), target.Delay(d))
	}
	stop := make(chan struct{})
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() { l.writeAndRead(w, stop) })
	}
	all.Go(func() {
		for i := range 4 {
			if err := l.u.Sync(context.Background()); err != nil {
				t.Errorf("sync %d: %v", i, err)
			}
		}
	})
	for range 15 {
		l.steady()
		before := l.Counters().ByOpcode[target.OpWrite10]
		switch roll(5) {
		case 0:
			l.Target.CutConnections()
		default:
			l.portals[roll(3)].CutConnections()
		}
		await(t, "writes", func() bool { return l.Counters().ByOpcode[target.OpWrite10] > before+30 })
	}
	close(stop)
	all.Wait()
	t.Logf("%d writes, %d resets", l.Counters().ByOpcode[target.OpWrite10], l.resets())
	if l.resets() == 0 {
		t.Error("no write was unanswered when its path was lost: the test shows nothing")
	}
}

// steady makes the sessions forget how often they were cut: they would soon take
// long pauses before they log in again.
func (l *pathsLab) steady() {
	for _, s := range l.m.sessions() {
		s.mu.Lock()
		s.flaps = 0
		s.mu.Unlock()
	}
}

// writeAndRead writes blocks of its own, each twice in a row, and reads them back,
// until stop; then all hold what was written last.
func (l *pathsLab) writeAndRead(w int, stop <-chan struct{}) {
	const blocks = 128
	var last [blocks][]byte
	at := func(i int) int64 { return int64(w*blocks+i) * 4096 }
	for i := 0; ; i++ {
		select {
		case <-stop:
			for i, p := range last {
				if p != nil {
					l.holds(p, at(i))
				}
			}
			return
		default:
		}
		block := i % blocks
		for again := range 2 {
			last[block] = pattern(uint64(w*10000+2*i+again), 4096)
			if err := l.u.WritevAt(context.Background(), [][]byte{last[block]}, at(block)); err != nil {
				l.t.Errorf("write: %v", err)
				return
			}
		}
		got := make([]byte, 4096)
		if err := l.u.ReadvAt(context.Background(), [][]byte{got}, at(block)); err != nil {
			l.t.Errorf("read: %v", err)
			return
		}
		same(l.t, "a read", got, last[block])
	}
}
