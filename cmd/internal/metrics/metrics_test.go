package metrics

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/iscsifs/iscsifs/cmd/internal/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// example has a target of a hostile name beside an ordinary one.
func example() Mount {
	took := Histogram{Bounds: []float64{0.001, 0.25}, Counts: []uint64{3, 2, 1}, Sum: 1.5}
	return Mount{Mountpoint: "/mnt/luns", CacheSize: 1 << 28, CacheUsed: 4096, Targets: []Target{
		{IQN: "iqn.2001-04.com.example:a", State: "recovering", Paths: 2, UsablePaths: 1, Reconnects: 7, Waiting: 3,
			LastContact: time.Unix(1_800_000_000, 0), Stats: status.Stats{TxDataOctets: 11, RxDataOctets: 12, SCSICmdPDUs: 13, AsyncPDUs: 14, DigestErrors: 15, TimeoutErrors: 16},
			LUNs: []LUN{{Number: 5, Size: 1 << 30, Ready: true, Reads: 1, Writes: 2, Syncs: 3, ReadBytes: 4, WrittenBytes: 5, CacheHits: 6, CacheMisses: 7,
				Dirty: 8, Held: 9, Unsynced: 10, InFlight: 11, Waiting: 12, Read: took, Write: took, Flush: took, WriteBacks: took}}},
		{IQN: "iqn.\"}\nevil\xff", State: "what ever"},
		{IQN: "iqn.\"}\nevil\xfe", State: "waiting"},
	}}
}

// scrape is one as Prometheus makes it.
func scrape(t *testing.T, address string) map[string]*dto.MetricFamily {
	t.Helper()
	resp, err := http.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Fatalf("%s, %s", resp.Status, resp.Header.Get("Content-Type"))
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// serve serves the example until the test ends.
func serve(t *testing.T) string {
	t.Helper()
	s, err := Listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, "1.0", example) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if c, err := net.Dial("tcp", s.Address()); err == nil {
			c.Close()
			t.Error("somebody listens after the end")
		}
	})
	return s.Address()
}

// labelled is the metric of a family with the given labels.
func labelled(t *testing.T, f *dto.MetricFamily, want map[string]string) *dto.Metric {
	t.Helper()
	for _, m := range f.GetMetric() {
		have := map[string]string{}
		for _, l := range m.GetLabel() {
			have[l.GetName()] = l.GetValue()
		}
		if cmp.Equal(have, want) {
			return m
		}
	}
	t.Fatalf("%s has nothing labelled %v: %v", f.GetName(), want, f.GetMetric())
	return nil
}

func TestScrape(t *testing.T) {
	families := scrape(t, serve(t))
	mount := map[string]string{"mountpoint": "/mnt/luns"}
	target := map[string]string{"mountpoint": "/mnt/luns", "target": "iqn.2001-04.com.example:a"}
	lun := map[string]string{"mountpoint": "/mnt/luns", "target": "iqn.2001-04.com.example:a", "lun": "5"}
	plus := func(labels map[string]string, name, value string) map[string]string {
		more := map[string]string{name: value}
		for k, v := range labels {
			more[k] = v
		}
		return more
	}
	for _, tt := range []struct {
		name   string
		labels map[string]string
		want   float64
	}{
		{"iscsifs_cache_size_bytes", mount, 1 << 28},
		{"iscsifs_cache_used_bytes", mount, 4096},
		{"iscsifs_session_paths", target, 2},
		{"iscsifs_session_paths_logged_in", target, 1},
		{"iscsifs_session_reconnects_total", target, 7},
		{"iscsifs_session_waiting_commands", target, 3},
		{"iscsifs_session_last_contact_timestamp_seconds", target, 1_800_000_000},
		{"iscsifs_session_state", plus(target, "state", "recovering"), 1},
		{"iscsifs_session_state", plus(target, "state", "logged in"), 0},
		{"iscsifs_session_state", map[string]string{"mountpoint": "/mnt/luns", "target": `iqn.\"}\nevil\xff`, "state": "other"}, 1},
		{"iscsifs_session_state", map[string]string{"mountpoint": "/mnt/luns", "target": `iqn.\"}\nevil\xfe`, "state": "waiting"}, 1},
		{"iscsifs_session_transmit_bytes_total", target, 11},
		{"iscsifs_session_receive_bytes_total", target, 12},
		{"iscsifs_session_sent_pdus_total", plus(target, "pdu", "scsi_command"), 13},
		{"iscsifs_session_received_pdus_total", plus(target, "pdu", "async_message"), 14},
		{"iscsifs_session_digest_errors_total", target, 15},
		{"iscsifs_session_timeouts_total", target, 16},
		{"iscsifs_lun_size_bytes", lun, 1 << 30},
		{"iscsifs_lun_ready", lun, 1},
		{"iscsifs_lun_reads_total", lun, 1},
		{"iscsifs_lun_writes_total", lun, 2},
		{"iscsifs_lun_syncs_total", lun, 3},
		{"iscsifs_lun_read_bytes_total", lun, 4},
		{"iscsifs_lun_written_bytes_total", lun, 5},
		{"iscsifs_lun_cache_hits_total", lun, 6},
		{"iscsifs_lun_cache_misses_total", lun, 7},
		{"iscsifs_lun_dirty_bytes", lun, 8},
		{"iscsifs_lun_held_bytes", lun, 9},
		{"iscsifs_lun_unsynchronized_bytes", lun, 10},
		{"iscsifs_lun_in_flight_commands", lun, 11},
		{"iscsifs_lun_waiting_commands", lun, 12},
	} {
		f := families[tt.name]
		if f == nil {
			t.Errorf("there is no %s", tt.name)
			continue
		}
		m := labelled(t, f, tt.labels)
		got := m.GetGauge().GetValue()
		if strings.HasSuffix(tt.name, "_total") {
			got = m.GetCounter().GetValue()
		}
		if got != tt.want {
			t.Errorf("%s%v = %v, want %v", tt.name, tt.labels, got, tt.want)
		}
	}
	for name, labels := range map[string]map[string]string{
		"iscsifs_lun_operation_duration_seconds": plus(lun, "operation", "flush"),
		"iscsifs_lun_write_back_size_bytes":      lun,
	} {
		h := labelled(t, families[name], labels).GetHistogram()
		if h.GetSampleCount() != 6 || h.GetSampleSum() != 1.5 {
			t.Errorf("%s: %v", name, h)
		}
		var counts []uint64
		for _, b := range h.GetBucket() { // cumulative: le
			counts = append(counts, b.GetCumulativeCount())
		}
		if want := []uint64{3, 5, 6}; !cmp.Equal(counts, want) {
			t.Errorf("%s: buckets %v, want %v", name, counts, want)
		}
	}
	for _, own := range []string{"iscsifs_build_info", "process_resident_memory_bytes", "go_goroutines"} {
		if families[own] == nil {
			t.Errorf("there is no %s", own)
		}
	}
}

// TestConventions: names, types and helps are as `promtool check metrics` wants them.
func TestConventions(t *testing.T) {
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(&collector{"1.0", example})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	if len(families) == 0 {
		t.Fatal("there are no metrics")
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, f := range families {
		if !strings.HasSuffix(f.GetHelp(), ".") && f.GetName() != "iscsifs_build_info" {
			t.Errorf("%s: the help is no sentence: %q", f.GetName(), f.GetHelp())
		}
	}
}

func TestOnlyMetrics(t *testing.T) {
	address := serve(t)
	defer http.DefaultClient.CloseIdleConnections()
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", http.StatusNotFound}, {"GET", "/debug/pprof/", http.StatusNotFound}, {"GET", "/metrics/x", http.StatusNotFound},
		{"POST", "/metrics", http.StatusMethodNotAllowed}, {"DELETE", "/metrics", http.StatusMethodNotAllowed}, {"GET", "/metrics", http.StatusOK},
	} {
		r, err := http.NewRequest(tt.method, "http://"+address+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tt.want {
			t.Errorf("%s %s: %s, want %d", tt.method, tt.path, resp.Status, tt.want)
		}
	}
}

// TestManyClients: connections that ask nothing are bounded, and leave the address
// usable when they are gone.
func TestManyClients(t *testing.T) {
	address := serve(t)
	var idle []net.Conn
	for range maxClients {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, c)
	}
	late, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer late.Close()
	if _, err := io.WriteString(late, "GET /metrics HTTP/1.0\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	_ = late.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := late.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Errorf("more than %d clients are served at a time", maxClients)
	}
	for _, c := range idle {
		c.Close()
	}
	_ = late.SetReadDeadline(time.Now().Add(30 * time.Second))
	if text, err := io.ReadAll(late); err != nil || !strings.Contains(string(text), "iscsifs_build_info") {
		t.Errorf("not served after the others have gone: %v", err)
	}
}

func TestListen(t *testing.T) {
	first, err := Listen(t.Context(), ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if host, _, _ := net.SplitHostPort(first.Address()); host != "127.0.0.1" {
		t.Errorf("without a host it listens at %s", first.Address())
	}
	_, err = Listen(t.Context(), first.Address())
	if err == nil || !strings.Contains(err.Error(), "another process listens there") || !strings.Contains(err.Error(), first.Address()) {
		t.Errorf("a port in use: %v", err)
	}
	if _, err := Listen(t.Context(), "192.0.2.1:9799"); err == nil || !strings.Contains(err.Error(), "[metrics] listen") {
		t.Errorf("an address of another host: %v", err)
	}
}
