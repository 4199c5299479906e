package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// write puts a configuration into a folder of its own, readable by its owner
// only, and returns its path.
func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// mustLoad loads a configuration that has no faults.
func mustLoad(t *testing.T, text string) (*Config, []Warning) {
	t.Helper()
	c, warnings, err := Load(write(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return c, warnings
}

// compareSecrets lets cmp look at what a Secret hides.
var compareSecrets = cmp.Comparer(func(a, b Secret) bool { return string(a.Reveal()) == string(b.Reveal()) })

func defaultSession() Session {
	return Session{
		HeaderDigest: DigestNone, DataDigest: DigestNone, Sessions: 1,
		LoginTimeout: 15 * time.Second, NoopInterval: 5 * time.Second, NoopTimeout: 5 * time.Second,
		CommandTimeout: 30 * time.Second, FlushTimeout: 2 * time.Minute,
		ReplacementTimeout: Timeout(2 * time.Minute), QueueDepth: 64,
	}
}

func defaultCache() TargetCache {
	return TargetCache{
		Mode: Writeback, DirtyLimit: 128 << 20, FlushInterval: 5 * time.Second,
		ReadAhead: 8 << 20, MaxAge: Never, LateWrites: Hold,
	}
}

func TestLoadDefaults(t *testing.T) {
	path := write(t, "[[target]]\nportals = ['192.0.2.7']\niqn = 'iqn.2001-04.com.example:disk1'\n")
	got, warnings, err := Load(path)
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	want := &Config{
		Path: path,
		Targets: []Target{{
			Portals: []Portal{{"192.0.2.7", 3260}}, IQN: "iqn.2001-04.com.example:disk1",
			Required: true, Login: LoginAuto, Session: defaultSession(), Cache: defaultCache(), Line: 1,
		}},
		Session: defaultSession(),
		Cache:   Cache{Size: 256 << 20, TargetCache: defaultCache()},
		Mount:   Mount{AllowOther: AllowOtherAuto, Mode: 0o600},
		Log:     Log{Level: LogInfo, Format: LogAuto},
	}
	if diff := cmp.Diff(want, got, compareSecrets); diff != "" {
		t.Error(diff)
	}
}

// TestLoadContract holds the schema to the example of its specification.
func TestLoadContract(t *testing.T) {
	text, err := os.ReadFile("testdata/contract.toml")
	if err != nil {
		t.Fatal(err)
	}
	got, warnings := mustLoad(t, string(text))
	expectLines(t, got.Path, warnings, []string{
		"30: discovery.chap: is empty: there will be no authentication",
		"31: discovery.target_chap: is empty",
	})
	id := uint32(1000)
	want := &Config{
		Initiator: Initiator{Name: "iqn.2026-11.org.example:host1", Alias: "host1"},
		Targets: []Target{{
			Portals: []Portal{{"172.29.88.62", 3260}, {"2001:db8::62", 3260}, {"nas.example.org", 3260}},
			IQN:     "iqn.2000-01.com.synology:themain-3rd.ittest", LUNs: []uint16{0, 1},
			Required: true, Login: LoginAuto,
			CHAP:    &CHAP{"ittest", NewSecret([]byte("Storageittest")), "nas", NewSecret([]byte("TargetSecret12"))},
			Session: defaultSession(), Cache: defaultCache(),
		}},
		Discoveries: []Discovery{{
			Portal: Portal{"172.29.88.62", 3260}, Match: []string{"iqn.2000-01.com.synology:*"},
			Directory: "{iqn}", Login: LoginAuto, Session: defaultSession(), Cache: defaultCache(),
		}},
		Session: defaultSession(),
		Cache:   Cache{Size: 256 << 20, TargetCache: defaultCache()},
		Mount:   Mount{AllowOther: AllowOtherAuto, UID: &id, GID: &id, Mode: 0o600},
		Log:     Log{Level: LogInfo, Format: LogAuto},
	}
	ignore := cmp.Options{compareSecrets, cmpopts.IgnoreFields(Config{}, "Path"),
		cmpopts.IgnoreFields(Target{}, "Line"), cmpopts.IgnoreFields(Discovery{}, "Line")}
	if diff := cmp.Diff(want, got, ignore); diff != "" {
		t.Error(diff)
	}
}

// TestExample loads the example that users start from, and finds every key of
// the schema in it.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("example.toml")
	if err != nil {
		t.Fatal(err)
	}
	if _, warnings := mustLoad(t, string(text)); len(warnings) > 0 {
		t.Error(warnings)
	}
	for _, table := range Tables() {
		if !strings.Contains(string(text), table.Header()) {
			t.Errorf("no %s in example.toml", table.Header())
		}
		for _, k := range table.Keys {
			if k.Doc == "" || k.Kind == "" {
				t.Errorf("%s.%s is not documented", table.Name, k.Name)
			}
			if !k.IsTable() && !strings.Contains(string(text), k.Name+" ") {
				t.Errorf("no %s of %s in example.toml", k.Name, table.Header())
			}
		}
	}
}

// TestInheritance lays a target's settings over the file's, wherever those stand.
func TestInheritance(t *testing.T) {
	c, _ := mustLoad(t, `
[[target]]
portals = ["192.0.2.7"]
iqn = "iqn.2001-04.com.example:a"
[target.session]
queue_depth = 3
replacement_timeout = "never"
[target.cache]
dirty_limit = "10%"
max_age = "1m"
[[target]]
portals = ["192.0.2.7"]
iqn = "iqn.2001-04.com.example:b"
directory = "b"
[session]
queue_depth = 7
noop_interval = "0s"
[cache]
size = "100MiB"
readahead = 0
`)
	a, b := c.Targets[0], c.Targets[1]
	if a.Session.QueueDepth != 3 || !a.Session.ReplacementTimeout.IsNever() || a.Session.NoopInterval != 0 {
		t.Errorf("a: %+v", a.Session)
	}
	if b.Session != c.Session || c.Session.QueueDepth != 7 {
		t.Errorf("b: %+v, file: %+v", b.Session, c.Session)
	}
	if a.Cache.DirtyLimit != 10<<20 || a.Cache.MaxAge != Timeout(time.Minute) || a.Cache.ReadAhead != 0 {
		t.Errorf("a: %+v", a.Cache)
	}
	if b.Cache != c.Cache.TargetCache || b.Cache.DirtyLimit != 50<<20 {
		t.Errorf("b: %+v, file: %+v", b.Cache, c.Cache)
	}
}

func TestLoadUnreadable(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big.toml")
	if err := os.WriteFile(big, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none.toml"): "cannot read the configuration: no such file or directory",
		dir:                             "cannot read the configuration: is a directory",
		big:                             "is larger than 1MiB, which no configuration needs to be",
	} {
		_, _, err := Load(path)
		var faults Faults
		if !errors.As(err, &faults) || err.Error() != path+": "+want {
			t.Errorf("got %v, want %s: %s", err, path, want)
		}
	}
}

// TestLoadFIFO waits for nobody: a daemon that reads its configuration again must go on.
func TestLoadFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo.toml")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(path); err == nil || !strings.Contains(err.Error(), "names nothing to log in to") {
		t.Error(err)
	}
}

func TestWarnings(t *testing.T) {
	text := `[initiator]
name = "iqn.2001-04.com.example:disk1"
[[target]]
portals = ["192.0.2.7"]
iqn = "iqn.2001-04.com.example:disk1"
chap.username = "u"
chap.password = "eleven char"
[[target]]
portals = ["192.0.2.7"]
iqn = "iqn.2001-04.com.example:Disk_2"
directory = "2"
[metrics]
listen = ":9799"
`
	path := write(t, text)
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	_, warnings, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"5: target[1].iqn: is also the name of this host",
		"7: target[1].chap.password: others than the owner can read this file",
		"7: target[1].chap.password: the password has only 11 bytes",
		"10: target[2].iqn: \"iqn.2001-04.com.example:Disk_2\" has upper-case letters",
	}
	expectLines(t, path, warnings, want)
}

// expectLines compares messages with what they must begin with, after the path.
func expectLines[S fmt.Stringer](t *testing.T, path string, got []S, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(want):
			t.Errorf("too much: %s", got[i])
		case i >= len(got):
			t.Errorf("missing: %s", want[i])
		case !strings.HasPrefix(got[i].String(), path+":"+want[i]):
			t.Errorf("got  %s\nwant %s:%s", got[i], path, want[i])
		}
	}
}

func TestExclusive(t *testing.T) {
	c, warnings := mustLoad(t, minimal+"exclusive = true\n")
	if !c.Targets[0].Exclusive || len(warnings) != 0 {
		t.Errorf("%+v, %v", c.Targets[0], warnings)
	}
}

func TestLUNsAreSorted(t *testing.T) {
	c, _ := mustLoad(t, minimal+"luns = [16383, 0, 7]\n")
	if got := c.Targets[0].LUNs; !slices.Equal(got, []uint16{0, 7, 16383}) {
		t.Error(got)
	}
}

func TestMount(t *testing.T) {
	c, _ := mustLoad(t, minimal+"[mount]\nmode = '0640'\nuid = 0\nallow_other = true\nwait = '1m30s'\npoint = '/mnt/luns'\n")
	if c.Mount.Mode != fs.FileMode(0o640) || c.Mount.UID == nil || *c.Mount.UID != 0 || c.Mount.GID != nil {
		t.Errorf("%+v", c.Mount)
	}
	if c.Mount.AllowOther != AllowOtherTrue || c.Mount.Wait != 90*time.Second || c.Mount.Point != "/mnt/luns" {
		t.Errorf("%+v", c.Mount)
	}
}
