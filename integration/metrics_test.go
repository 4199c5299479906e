package integration

import (
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	prometheus "github.com/prometheus/common/model"

	"github.com/iscsifs/iscsifs/integration/port"
	"github.com/iscsifs/iscsifs/integration/target"
)

// freeAddress is one at which nobody listens who is not told of it.
func freeAddress(t *testing.T) string {
	t.Helper()
	p, err := port.Keep(0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p.Addr()
}

// scrape is what Prometheus would get.
func scrape(t *testing.T, address string) map[string]*dto.MetricFamily {
	t.Helper()
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + address + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(prometheus.UTF8Validation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// number is the value of a metric that has one value only, or one with the label.
func number(families map[string]*dto.MetricFamily, name string, label ...string) float64 {
	for _, m := range families[name].GetMetric() {
		wanted := len(label) == 0
		for _, l := range m.GetLabel() {
			wanted = wanted || l.GetName() == label[0] && l.GetValue() == label[1]
		}
		if wanted {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return -1
}

// TestMetrics: what Prometheus gets says what was done, and goes with the daemon; a
// port that is in use ends the mount before it begins.
func TestMetrics(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	address := freeAddress(t)
	c := s.config("")
	c.tables = "[metrics]\nlisten = \"" + address + "\""
	busy, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	h.tryMount(c).wantFailure(t, exitInUse, "serve metrics at "+address, "another process listens there", "[metrics] listen")
	if err := busy.Close(); err != nil {
		t.Fatal(err)
	}
	m := h.mount(c)
	h.sh(`head -c 65536 "$1" >/dev/null; head -c 8192 /dev/zero | dd of="$1" conv=notrunc,fsync bs=4k status=none`, m.lun(0))
	now := scrape(t, address)
	for name, least := range map[string]float64{"iscsifs_lun_read_bytes_total": 65536, "iscsifs_lun_written_bytes_total": 8192, "iscsifs_lun_cache_misses_total": 1,
		"iscsifs_session_receive_bytes_total": 65536, "iscsifs_lun_write_back_size_bytes": 1} {
		if got := number(now, name); got < least {
			t.Errorf("%s is %v, want at least %v", name, got, least)
		}
	}
	for _, operation := range []string{"read", "write", "flush"} {
		if n := number(now, "iscsifs_lun_operation_duration_seconds", "operation", operation); n < 1 {
			t.Errorf("%v times were taken of the operation %s", n, operation)
		}
	}
	for name, want := range map[string]float64{"iscsifs_lun_size_bytes": smallDisk, "iscsifs_lun_ready": 1, "iscsifs_session_paths_logged_in": 1,
		"iscsifs_lun_dirty_bytes": 0, "iscsifs_lun_unsynchronized_bytes": 0, "iscsifs_session_reconnects_total": 0} {
		if got := number(now, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if at := number(now, "iscsifs_session_last_contact_timestamp_seconds"); time.Since(time.Unix(int64(at), 0)) > time.Minute {
		t.Errorf("last heard of the target at %v", at)
	}
	s.CutConnections()
	if !eventually(patience, func() bool {
		families := scrape(t, address)
		return number(families, "iscsifs_session_reconnects_total") == 1 && number(families, "iscsifs_session_state", "state", "logged in") == 1
	}) {
		t.Error("a reconnect is not counted")
	}
	m.umount()
	if conn, err := net.Dial("tcp", address); err == nil {
		conn.Close()
		t.Error("somebody listens after the daemon has ended")
	}
}

// TestLiveLog: SIGUSR1 turns debug on and off; SIGHUP and reload open the log's file anew.
func TestLiveLog(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	c := s.config("")
	c.noLog = true
	log := h.path("log/daemon.log")
	c.tables = "[log]\nfile = \"" + log + "\""
	m := h.mount(c)
	pid := itoa(int64(m.daemon(t)))
	debug := func() bool { // status is a request, which debug tells
		h.sh(`: >"$1"`, log)
		m.daemon(t)
		return strings.Contains(h.sh(`cat "$1"`, log), `"level":"debug"`)
	}
	if debug() {
		t.Error("there are debug lines by default")
	}
	h.sh(`kill -USR1 "$1"`, pid)
	if !eventually(patience, debug) {
		t.Error("SIGUSR1 does not turn debug on")
	}
	h.sh(`kill -USR1 "$1"`, pid)
	if !eventually(patience, func() bool { return !debug() }) {
		t.Error("SIGUSR1 does not turn debug off again")
	}
	h.sh(`mv "$1" "$1.1"; kill -HUP "$2"`, log, pid)
	if !eventually(patience, func() bool { return h.run("test", "-s", log).code == 0 }) {
		t.Error("SIGHUP does not open the log anew")
	}
	h.sh(`mv "$1" "$1.2"`, log)
	h.mustIscsifs("reload", m.point)
	if h.run("test", "-s", log).code != 0 {
		t.Error("reload does not open the log anew")
	}
	h.sh(`mv "$1" "$1.3"; mkdir "$1"`, log)
	h.iscsifs("reload", m.point).wantFailure(t, exitFailed, "log.file", log)
	h.sh(`rmdir "$1"`, log)
}
