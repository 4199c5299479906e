package daemon

import (
	"time"

	"github.com/iscsifs/iscsifs/cache"
	"github.com/iscsifs/iscsifs/cmd/internal/metrics"
	"github.com/iscsifs/iscsifs/initiator"
)

// Metrics is what a scrape shows. It asks no target.
func (d *Daemon) Metrics() metrics.Mount {
	m := metrics.Mount{Mountpoint: d.opts.Mountpoint, CacheSize: d.memory.Size(), CacheUsed: d.memory.Used()}
	for _, t := range d.all() {
		m.Targets = append(m.Targets, t.metrics())
	}
	return m
}

func (t *target) metrics() metrics.Target {
	t.mu.Lock()
	m := metrics.Target{IQN: t.cfg().IQN, State: t.state.String(), Paths: len(t.cfg().Portals) * t.cfg().Session.Sessions}
	s, luns := t.session, append(t.luns[:len(t.luns):len(t.luns)], t.kept...)
	t.mu.Unlock()
	if s != nil {
		now := s.Status()
		m.State, m.Reconnects, m.Waiting = now.State.String(), uint64(now.Reconnects), now.Waiting
		m.LastContact, m.Stats = now.LastContact, stats(now.Stats)
		m.UsablePaths = usablePaths(s)
	}
	for _, l := range luns {
		if l.volume != nil {
			m.LUNs = append(m.LUNs, l.metrics())
		}
	}
	return m
}

// usablePaths counts the sessions that are logged in.
func usablePaths(s session) (n int) {
	for _, one := range sessionsOf(s) {
		if one.State == initiator.LoggedIn {
			n++
		}
	}
	return n
}

func (l *lun) metrics() metrics.LUN {
	s, took, now := l.volume.Stats(), l.volume.Latencies(), l.opened.Status()
	return metrics.LUN{
		Number: l.number, Size: l.size(), Ready: now.State == initiator.DiskReady,
		Reads: s.Reads, Writes: s.Writes, Syncs: s.Syncs, ReadBytes: s.ReadBytes, WrittenBytes: s.WrittenBytes,
		CacheHits: s.Hits, CacheMisses: s.Misses,
		Dirty: s.DirtyBytes, Held: keptBack(s), Unsynced: s.HeldBytes,
		InFlight: now.InFlight, Waiting: now.Waiting,
		Read: inSeconds(took.Reads), Write: inSeconds(took.Writes), Flush: inSeconds(took.Flushes),
		Zero: inSeconds(took.Zeroes), Discard: inSeconds(took.Discards),
		WriteBacks: histogram(took.WriteSizes, 1),
	}
}

func inSeconds(h cache.Histogram) metrics.Histogram { return histogram(h, float64(time.Second)) }

// histogram divides by the unit of its values.
func histogram(h cache.Histogram, unit float64) metrics.Histogram {
	m := metrics.Histogram{Counts: h.Counts, Sum: float64(h.Sum) / unit}
	for _, b := range h.Bounds {
		m.Bounds = append(m.Bounds, float64(b)/unit)
	}
	return m
}
