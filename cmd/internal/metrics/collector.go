package metrics

import (
	"runtime"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// collector is a prometheus.Collector: what it collects is what now tells.
type collector struct {
	version string
	now     func() Mount
}

// Describe names all that Collect may send.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{buildDesc, stateDesc, lastContactDesc, sentDesc, receivedDesc, durationDesc, writeBackDesc} {
		to <- d
	}
	describeAll(to, mountMetrics)
	describeAll(to, targetMetrics)
	describeAll(to, lunMetrics)
}

func describeAll[T any](to chan<- *prometheus.Desc, list []metric[T]) {
	for _, m := range list {
		to <- m.desc
	}
}

// Collect asks how the mount does.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	send(to, buildDesc, gauge, 1, c.version, runtime.Version())
	m := c.now()
	point := label(m.Mountpoint)
	sendAll(to, mountMetrics, &m, point)
	for i := range m.Targets {
		collectTarget(to, &m.Targets[i], point, label(m.Targets[i].IQN))
	}
}

func collectTarget(to chan<- prometheus.Metric, t *Target, labels ...string) {
	sendAll(to, targetMetrics, t, labels...)
	state := t.State
	if !slices.Contains(States, state) {
		state = States[len(States)-1]
	}
	for _, s := range States {
		send(to, stateDesc, gauge, oneIf(s == state), with(labels, s)...)
	}
	if !t.LastContact.IsZero() {
		send(to, lastContactDesc, gauge, float64(t.LastContact.Unix()), labels...)
	}
	for _, p := range sentPDUs {
		send(to, sentDesc, counter, float64(p.count(&t.Stats)), with(labels, p.name)...)
	}
	for _, p := range receivedPDUs {
		send(to, receivedDesc, counter, float64(p.count(&t.Stats)), with(labels, p.name)...)
	}
	for i := range t.LUNs {
		collectLUN(to, &t.LUNs[i], with(labels, lunLabel(t.LUNs[i].Number))...)
	}
}

func collectLUN(to chan<- prometheus.Metric, l *LUN, labels ...string) {
	sendAll(to, lunMetrics, l, labels...)
	for _, o := range []struct {
		name string
		took *Histogram
	}{{"read", &l.Read}, {"write", &l.Write}, {"flush", &l.Flush}, {"zero", &l.Zero}, {"discard", &l.Discard}} {
		sendHistogram(to, durationDesc, o.took, with(labels, o.name)...)
	}
	sendHistogram(to, writeBackDesc, &l.WriteBacks, labels...)
}

// with appends a label and leaves the list as it is.
func with(labels []string, last string) []string { return append(slices.Clip(labels), last) }

func sendAll[T any](to chan<- prometheus.Metric, list []metric[T], t *T, labels ...string) {
	for _, m := range list {
		send(to, m.desc, m.kind, m.value(t), labels...)
	}
}

func send(to chan<- prometheus.Metric, desc *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(desc, kind, value, labels...)
}

// sendHistogram sends how many values there were up to each bound, those up to lower
// ones included.
func sendHistogram(to chan<- prometheus.Metric, desc *prometheus.Desc, h *Histogram, labels ...string) {
	buckets := make(map[float64]uint64, len(h.Bounds))
	total := uint64(0)
	for i, n := range h.Counts {
		total += n
		if i < len(h.Bounds) {
			buckets[h.Bounds[i]] = total
		}
	}
	to <- prometheus.MustNewConstHistogram(desc, total, h.Sum, buckets, labels...)
}
