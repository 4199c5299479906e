package daemon

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// news is what the initiator has told of the LUNs of a target, and nobody has heeded
// yet.
type news struct {
	wake    chan struct{} // one slot
	refused []string      // by the last scan, which the log has been told; of heed alone

	mu   sync.Mutex
	scan bool                  // the set of LUNs may be another
	luns map[scsi.LUN]struct{} // that have changed
}

func newNews() news { return news{wake: make(chan struct{}, 1)} }

// tell is the OnEvent of the target's sessions: it only takes note.
func (n *news) tell(e initiator.Event) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch e.Kind {
	case initiator.LUNsChanged, initiator.LUNLost:
		n.scan = true
	default:
		if n.luns == nil {
			n.luns = map[scsi.LUN]struct{}{}
		}
		n.luns[e.LUN] = struct{}{}
	}
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

func (n *news) take() (scan bool, luns map[scsi.LUN]struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	scan, luns = n.scan, n.luns
	n.scan, n.luns = false, nil
	return scan, luns
}

// scanPause is how long after a scan that failed, or that met a LUN which may come back
// or be lost, the next one begins. A variable for the tests.
var scanPause = 5 * time.Second

// watch heeds the news of a target until ctx ends. It is a goroutine's life.
func (d *Daemon) watch(ctx context.Context, t *target) {
	var again <-chan time.Time // a scan is to be repeated
	for {
		repeat := again != nil
		select {
		case <-t.news.wake:
		case <-again:
		case <-ctx.Done():
			return
		}
		again = nil
		if !d.heed(ctx, t, repeat) {
			again = time.After(scanPause)
		}
	}
}

// heed acts on the news, and scans for LUNs if they or the caller ask for it. It is
// false if the scan is to be made again.
func (d *Daemon) heed(ctx context.Context, t *target, scan bool) bool {
	changed, luns := t.news.take()
	for _, l := range t.attached() {
		if _, told := luns[l.opened.Info().LUN]; told {
			_ = d.follow(ctx, l) // it has told the log
		}
	}
	if !scan && !changed || t.now() != up {
		return true
	}
	s := d.scan(ctx, t, control.RescanOptions{}, false)
	for _, line := range s.Refused {
		level := zerolog.WarnLevel
		if s.failed || slices.Contains(t.news.refused, line) {
			level = zerolog.DebugLevel
		}
		t.log.WithLevel(level).Msg(line)
	}
	t.news.refused = s.Refused
	return !s.failed && !s.open
}
