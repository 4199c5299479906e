package metrics

import (
	"fmt"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/cmd/internal/status"
)

// States are those of a target that iscsifs_session_state tells apart; any other
// counts as the last.
var States = []string{"waiting", "connecting", "logged in", "recovering", "logging out", "logged out", "closed", "other"}

// metric is one number of a T, and what it is called.
type metric[T any] struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*T) float64
}

// kinds of metrics.
const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("iscsifs_"+name, help, labels, nil)
}

var (
	mountLabels  = []string{"mountpoint"}
	targetLabels = []string{"mountpoint", "target"}
	lunLabels    = []string{"mountpoint", "target", "lun"}
)

var mountMetrics = []metric[Mount]{
	{describe("cache_size_bytes", "Memory for data of all LUNs.", mountLabels...), gauge,
		func(m *Mount) float64 { return float64(m.CacheSize) }},
	{describe("cache_used_bytes", "Memory that holds data.", mountLabels...), gauge,
		func(m *Mount) float64 { return float64(m.CacheUsed) }},
}

var targetMetrics = []metric[Target]{
	{describe("session_paths", "Sessions with the target that the configuration asks for.", targetLabels...), gauge,
		func(t *Target) float64 { return float64(t.Paths) }},
	{describe("session_paths_logged_in", "Sessions with the target that are logged in.", targetLabels...), gauge,
		func(t *Target) float64 { return float64(t.UsablePaths) }},
	{describe("session_reconnects_total", "Logins after the first of each session.", targetLabels...), counter,
		func(t *Target) float64 { return float64(t.Reconnects) }},
	{describe("session_waiting_commands", "Commands that wait for a session.", targetLabels...), gauge,
		func(t *Target) float64 { return float64(t.Waiting) }},
	{describe("session_transmit_bytes_total", "Bytes of all PDUs to the target after the login.", targetLabels...), counter,
		func(t *Target) float64 { return float64(t.Stats.TxDataOctets) }},
	{describe("session_receive_bytes_total", "Bytes of all PDUs from the target after the login.", targetLabels...), counter,
		func(t *Target) float64 { return float64(t.Stats.RxDataOctets) }},
	{describe("session_digest_errors_total", "PDUs whose digest did not match.", targetLabels...), counter,
		func(t *Target) float64 { return float64(t.Stats.DigestErrors) }},
	{describe("session_timeouts_total", "Commands and pings that were not answered in time.", targetLabels...), counter,
		func(t *Target) float64 { return float64(t.Stats.TimeoutErrors) }},
}

// pduMetric counts the PDUs of one type.
type pduMetric struct {
	name  string
	count func(*status.Stats) uint64
}

var (
	sentDesc     = describe("session_sent_pdus_total", "PDUs to the target, by type (RFC 7143, section 11).", append(targetLabels, "pdu")...)
	receivedDesc = describe("session_received_pdus_total", "PDUs from the target, by type (RFC 7143, section 11).", append(targetLabels, "pdu")...)

	sentPDUs = []pduMetric{
		{"nop_out", func(s *status.Stats) uint64 { return s.NOPTxPDUs }},
		{"scsi_command", func(s *status.Stats) uint64 { return s.SCSICmdPDUs }},
		{"task_management_request", func(s *status.Stats) uint64 { return s.TMFCmdPDUs }},
		{"login_request", func(s *status.Stats) uint64 { return s.LoginPDUs }},
		{"text_request", func(s *status.Stats) uint64 { return s.TextPDUs }},
		{"data_out", func(s *status.Stats) uint64 { return s.DataOutPDUs }},
		{"logout_request", func(s *status.Stats) uint64 { return s.LogoutPDUs }},
	}
	receivedPDUs = []pduMetric{
		{"nop_in", func(s *status.Stats) uint64 { return s.NOPRxPDUs }},
		{"scsi_response", func(s *status.Stats) uint64 { return s.SCSIRspPDUs }},
		{"task_management_response", func(s *status.Stats) uint64 { return s.TMFRspPDUs }},
		{"text_response", func(s *status.Stats) uint64 { return s.TextRspPDUs }},
		{"data_in", func(s *status.Stats) uint64 { return s.DataInPDUs }},
		{"logout_response", func(s *status.Stats) uint64 { return s.LogoutRspPDUs }},
		{"r2t", func(s *status.Stats) uint64 { return s.R2TPDUs }},
		{"async_message", func(s *status.Stats) uint64 { return s.AsyncPDUs }},
		{"reject", func(s *status.Stats) uint64 { return s.RejectPDUs }},
	}
)

var (
	stateDesc       = describe("session_state", "1 for the state that the target is in, 0 for the others.", append(targetLabels, "state")...)
	lastContactDesc = describe("session_last_contact_timestamp_seconds",
		"When the target was last heard of, to the second; time() minus this is for how long it has been silent. A target that is well is heard of every noop_interval.", targetLabels...)
)

var lunMetrics = []metric[LUN]{
	{describe("lun_size_bytes", "Capacity.", lunLabels...), gauge,
		func(l *LUN) float64 { return float64(l.Size) }},
	{describe("lun_ready", "1 if the target serves the LUN, 0 while commands wait for it or fail.", lunLabels...), gauge,
		func(l *LUN) float64 { return oneIf(l.Ready) }},
	{describe("lun_reads_total", "Reads by applications that succeeded.", lunLabels...), counter,
		func(l *LUN) float64 { return float64(l.Reads) }},
	{describe("lun_writes_total", "Writes by applications that succeeded.", lunLabels...), counter,
		func(l *LUN) float64 { return float64(l.Writes) }},
	{describe("lun_syncs_total", "Times that what was written was to be made durable.", lunLabels...), counter,
		func(l *LUN) float64 { return float64(l.Syncs) }},
	{describe("lun_read_bytes_total", "Bytes that applications read.", lunLabels...), counter,
		func(l *LUN) float64 { return float64(l.ReadBytes) }},
	{describe("lun_written_bytes_total", "Bytes that applications wrote.", lunLabels...), counter,
		func(l *LUN) float64 { return float64(l.WrittenBytes) }},
	{describe("lun_cache_hits_total", "Blocks of 4 KiB that were in memory when they were read.", lunLabels...), counter,
		func(l *LUN) float64 { return float64(l.CacheHits) }},
	{describe("lun_cache_misses_total", "Blocks of 4 KiB that were not in memory when they were read.", lunLabels...), counter,
		func(l *LUN) float64 { return float64(l.CacheMisses) }},
	{describe("lun_dirty_bytes", "Bytes that were written here and are not on the target.", lunLabels...), gauge,
		func(l *LUN) float64 { return float64(l.Dirty) }},
	{describe("lun_held_bytes", "Dirty bytes that are not written back until somebody says so.", lunLabels...), gauge,
		func(l *LUN) float64 { return float64(l.Held) }},
	{describe("lun_unsynchronized_bytes", "Bytes that are on the target, and may be in its volatile cache.", lunLabels...), gauge,
		func(l *LUN) float64 { return float64(l.Unsynced) }},
	{describe("lun_in_flight_commands", "Commands at the target.", lunLabels...), gauge,
		func(l *LUN) float64 { return float64(l.InFlight) }},
	{describe("lun_waiting_commands", "Commands that wait for the LUN.", lunLabels...), gauge,
		func(l *LUN) float64 { return float64(l.Waiting) }},
}

// histograms of a LUN.
var (
	durationDesc = describe("lun_operation_duration_seconds",
		"How long the target took, all commands of an access and the wait for a lost session included. What memory answers is not counted.", append(lunLabels, "operation")...)
	writeBackDesc = describe("lun_write_back_size_bytes", "How much was written to the target at a time.", lunLabels...)
)

var buildDesc = describe("build_info", "1, with the version as label.", "version", "goversion")

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// label makes any text a label: valid UTF-8 that prints, different for different
// texts. Names of targets may be any bytes.
func label(s string) string {
	if plain.Text(s) == s {
		return s
	}
	quoted := strconv.Quote(s)
	return quoted[1 : len(quoted)-1]
}

func lunLabel(n uint64) string { return fmt.Sprint(n) }
