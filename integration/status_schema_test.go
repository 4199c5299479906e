package integration

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/integration/target"
)

// promisedStatus is what scripts may rely on in `iscsifs status --json`: names in braces
// are the keys of an object, brackets are a list of what is in them.
const promisedStatus = `{version, mounts: [{mountpoint, config, pid, state, log, targets: [{iqn, directory, state, since, reason,
reconnects, next_attempt, portals: [{address, tpgt, state, alua}], negotiated: {key: value},
stats: {as iscsiadm -m session -s}, luns: [{lun, path, size, block_size, vendor, product, revision,
serial, id, read_only, thin, dirty_bytes, held_bytes, in_flight, cache_hits, cache_misses, read_bytes,
written_bytes, holders: []}]}]}]}`

// iscsiadmStats are what `iscsiadm -m session -s` counts, by its names for them.
const iscsiadmStats = `txdata_octets rxdata_octets noptx_pdus scsicmd_pdus tmfcmd_pdus login_pdus text_pdus dataout_pdus logout_pdus snack_pdus
noprx_pdus scsirsp_pdus tmfrsp_pdus textrsp_pdus datain_pdus logoutrsp_pdus r2t_pdus async_pdus rjt_pdus digest_err timeout_err`

// schema is the form of a JSON value: an object with the given keys, a list of item, or
// a value by its name.
type schema struct {
	name string
	keys map[string]*schema
	item *schema
	any  bool // the keys are whatever they are
}

// parseSchema reads promisedStatus.
func parseSchema(t *testing.T, text string) *schema {
	t.Helper()
	p := &schemaParser{t: t, rest: strings.Join(strings.Fields(text), " ")}
	s := p.value("status")
	if p.rest != "" {
		t.Fatalf("the schema goes on: %q", p.rest)
	}
	return s
}

type schemaParser struct {
	t    *testing.T
	rest string
}

// eat drops a sign if it is next.
func (p *schemaParser) eat(sign string) bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(p.rest, " "), sign)
	if ok {
		p.rest = strings.TrimLeft(rest, " ")
	}
	return ok
}

func (p *schemaParser) value(name string) *schema {
	switch {
	case p.eat("["):
		s := &schema{name: name, item: &schema{name: name, any: true}}
		if !p.eat("]") {
			s.item = p.value(name)
			p.need("]")
		}
		return s
	case p.eat("{key: value}"), p.eat("{as iscsiadm -m session -s}"):
		return &schema{name: name, any: true}
	case p.eat("{"):
		s := &schema{name: name, keys: map[string]*schema{}}
		for {
			key := p.word()
			s.keys[key] = &schema{name: key}
			if p.eat(":") {
				s.keys[key] = p.value(key)
			}
			if !p.eat(",") {
				p.need("}")
				return s
			}
		}
	}
	p.t.Fatalf("the schema has no value at %q", p.rest)
	return nil
}

func (p *schemaParser) need(sign string) {
	if !p.eat(sign) {
		p.t.Fatalf("the schema has no %s at %q", sign, p.rest)
	}
}

func (p *schemaParser) word() string {
	n := strings.IndexFunc(p.rest, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' })
	if n <= 0 {
		p.t.Fatalf("the schema has no name at %q", p.rest)
	}
	word := p.rest[:n]
	p.rest = p.rest[n:]
	return word
}

// check compares a value with the schema; more keys than promised are no fault.
func (s *schema) check(t *testing.T, at string, value any) {
	t.Helper()
	switch v := value.(type) {
	case map[string]any:
		for key, sub := range s.keys {
			got, there := v[key]
			if !there {
				t.Errorf("%s has no %q", at, key)
				continue
			}
			sub.check(t, at+"."+key, got)
		}
		if s.keys == nil {
			s.checkFree(t, at, v)
		}
	case []any:
		if s.item == nil {
			t.Errorf("%s is a list", at)
			return
		}
		for _, item := range v {
			s.item.check(t, at+"[]", item)
		}
	default:
		if s.keys != nil || s.item != nil {
			t.Errorf("%s is %v, not what the schema says", at, v)
			return
		}
		checkType(t, at, s.name, v)
	}
}

// checkFree checks the objects whose keys stand elsewhere.
func (s *schema) checkFree(t *testing.T, at string, v map[string]any) {
	t.Helper()
	switch s.name {
	case "stats":
		want := strings.Fields(iscsiadmStats)
		if got := slices.Sorted(maps.Keys(v)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
			t.Errorf("%s has %q, want %q", at, got, want)
		}
		for name, n := range v {
			checkCount(t, at+"."+name, n)
		}
	case "negotiated":
		for name, value := range v {
			if _, ok := value.(string); !ok {
				t.Errorf("%s.%s is %v, no string", at, name, value)
			}
		}
	case "holders":
	default:
		t.Errorf("%s is an object", at)
	}
}

// The types of the promised names: numbers are whole, times are RFC 3339, and all else
// is text.
var (
	promisedCounts = strings.Fields(`pid reconnects tpgt lun size block_size dirty_bytes held_bytes in_flight cache_hits cache_misses read_bytes written_bytes`)
	promisedTimes  = strings.Fields(`since next_attempt`)
	promisedFlags  = strings.Fields(`read_only thin`)
)

func checkType(t *testing.T, at, name string, v any) {
	t.Helper()
	switch {
	case slices.Contains(promisedCounts, name):
		checkCount(t, at, v)
	case slices.Contains(promisedTimes, name):
		if v == nil && name == "next_attempt" { // none is due
			return
		}
		text, _ := v.(string)
		if _, err := time.Parse(time.RFC3339, text); err != nil {
			t.Errorf("%s is %v, no time as in RFC 3339", at, v)
		}
	case slices.Contains(promisedFlags, name):
		if _, ok := v.(bool); !ok {
			t.Errorf("%s is %v, neither true nor false", at, v)
		}
	default:
		if _, ok := v.(string); !ok {
			t.Errorf("%s is %v, no string", at, v)
		}
	}
}

func checkCount(t *testing.T, at string, v any) {
	t.Helper()
	n, ok := v.(float64)
	if !ok || n != math.Trunc(n) || n < 0 && !strings.HasSuffix(at, ".tpgt") {
		t.Errorf("%s is %v, no count", at, v)
	}
}

// rawStatus is what `iscsifs status --json` prints.
func (h *host) rawStatus(points ...string) (value any) {
	h.t.Helper()
	out := h.mustIscsifs(append([]string{"status", "--json"}, points...)...)
	if err := json.Unmarshal([]byte(out), &value); err != nil {
		h.t.Fatalf("%v\n%s", err, out)
	}
	return value
}

// TestStatusSchema: names and types are as promised, of a target that is there, of one
// that is away, of one that never was, and of a mount whose daemon is gone.
func TestStatusSchema(t *testing.T) {
	h := newHost(t)
	promised := parseSchema(t, promisedStatus)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	c := s.config("")
	c.tables = "[[target]]\nportals = [\"127.0.0.1:1\"]\niqn = \"iqn.2026-11.org.example:absent\"\ndirectory = \"absent\"\nrequired = false"
	m := h.mount(c)
	h.holder(m.lun(0))
	value := h.rawStatus(m.point)
	promised.check(t, "status", value)
	targets := value.(map[string]any)["mounts"].([]any)[0].(map[string]any)["targets"].([]any)
	if len(targets) != 2 {
		t.Fatalf("%d targets: %v", len(targets), targets)
	}
	there := targets[1].(map[string]any)
	luns := there["luns"].([]any)
	if len(luns) != 1 || len(there["portals"].([]any)) != 1 || len(there["negotiated"].(map[string]any)) == 0 || len(luns[0].(map[string]any)["holders"].([]any)) != 1 {
		t.Errorf("not everything is there that was to be checked: %v", there)
	}
	if n := there["stats"].(map[string]any)["login_pdus"].(float64); n < 1 {
		t.Errorf("%v Login Request PDUs", n)
	}
	s.StopListening()
	s.CutConnections()
	if !eventually(patience, func() bool { return h.status(m.point).Mounts[0].Targets[1].State == "recovering" }) {
		t.Fatal("the session is not lost")
	}
	promised.check(t, "status of an outage", h.rawStatus(m.point))
	if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
}

// TestStatusSaysWhatSessionsAre: -v says of a session what `iscsiadm -m session -P 3`
// does, and no secret.
func TestStatusSaysWhatSessionsAre(t *testing.T) {
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: smallDisk}).withCHAP(t)
	m := h.mount(s.config())
	out := h.mustIscsifs("status", "-vv", m.point)
	for _, want := range []string{"ISID ", "TSIH ", s.portal + ",1", "persistent: " + s.portal, "initiator: " + initiatorName + " at 127.0.0.1:", "device: lo",
		"timeouts: login 15s", "replacement 2m0s", "username " + hostAccount.User, "ready", "HeaderDigest: None", "MaxRecvDataSegmentLength: ", "MaxXmitDataSegmentLength: ",
		"FirstBurstLength: ", "MaxBurstLength: ", "ImmediateData: ", "InitialR2T: ", "MaxOutstandingR2T: ", "log: " + h.path("log/daemon.log"), "scsicmd_pdus: "} {
		if !strings.Contains(out, want) {
			t.Errorf("status -vv does not say %q:\n%s", want, out)
		}
	}
	for _, secret := range []string{hostAccount.Password, targetAccount.Password} {
		if strings.Contains(out, secret) || strings.Contains(h.mustIscsifs("status", "--json", m.point), secret) {
			t.Error("status tells a secret")
		}
	}
}
