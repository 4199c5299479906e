package metrics

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
)

// TestManyLUNs: a scrape of a thousand LUNs takes less memory than a mount may have
// beside its cache, 96 MiB, by far.
func TestManyLUNs(t *testing.T) {
	m := example()
	one := m.Targets[0].LUNs[0]
	one.Read.Bounds, one.Read.Counts = make([]float64, 15), make([]uint64, 16)
	for i := range one.Read.Bounds {
		one.Read.Bounds[i] = float64(i)
	}
	one.Write, one.Flush = one.Read, one.Read
	for n := range 1000 {
		one.Number = uint64(n) + 1000
		m.Targets[0].LUNs = append(m.Targets[0].LUNs, one)
	}
	h := handler("1.0", func() Mount { return m })
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	w := &sink{header: http.Header{}}
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	runtime.ReadMemStats(&after)
	if w.n < 1<<20 {
		t.Errorf("a scrape of 1000 LUNs has %d bytes", w.n)
	}
	// What the heap had of the system before may be idle and go back meanwhile.
	if took := int64(after.HeapSys) - int64(before.HeapSys); took > 48<<20 {
		t.Errorf("a scrape of 1000 LUNs takes %d MiB of memory", took>>20)
	} else {
		t.Logf("%d MiB for %d KiB of text", took>>20, w.n>>10)
	}
}

// sink counts what is sent.
type sink struct {
	header http.Header
	n      int
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(int)     {}
func (s *sink) Write(p []byte) (int, error) {
	n, err := io.Discard.Write(p)
	s.n += n
	return n, err
}
