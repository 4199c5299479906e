package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsifs/iscsifs/cmd/internal/status"
	"github.com/iscsifs/iscsifs/config"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares an output with its file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

// exampleReport has everything that status can show.
func exampleReport() status.Report {
	since := time.Date(2026, 11, 23, 20, 15, 0, 0, time.Local)
	next, replacement := since.Add(time.Minute), 120.0
	return status.Report{Version: "1.0", Mounts: []status.Mount{
		{Mountpoint: "/mnt/luns", Config: "/etc/iscsifs/nas.toml", PID: 4711, State: "serving", Log: "syslog",
			Protection: &status.Protection{Locked: "cache", OOMScoreAdj: -500, Gaps: []string{"no CAP_SYS_RESOURCE"}},
			Targets: []status.Target{
				{IQN: "iqn.2001-04.com.example:a", State: "logged in", Since: since, Reconnects: 2, Reason: "connection reset",
					Portals:    []status.Portal{{Address: "192.0.2.7:3260", TPGT: 1, State: "logged in"}, {Address: "192.0.2.8:3260", TPGT: -1, State: "not in use"}},
					Negotiated: map[string]string{"HeaderDigest": "CRC32C", "DataDigest": "None"},
					Alias:      "the big one\x1b[31m", Interface: "eth0", CHAP: &status.CHAP{Username: "me", MutualUsername: "nas"},
					Timeouts: status.Timeouts{Login: 15, NoopInterval: 5, Noop: 5, Command: 30, Flush: 120, Replacement: &replacement},
					Sessions: []status.Session{{ISID: "80c0ffee0001", TSIH: 7, InitiatorName: "iqn.2026-11.org.example:host1", State: "logged in", Since: since,
						Portal: "192.0.2.7:3260", TPGT: 1, PersistentPortal: "nas.example.org:3260", LocalAddress: "192.0.2.1:40000", RemoteAddress: "192.0.2.7:3260",
						Device: "eth0", LastContact: next, Reconnects: 2, Negotiated: map[string]string{"HeaderDigest": "CRC32C", "DataDigest": "None"}}},
					Stats: status.Stats{TxDataOctets: 1000, RxDataOctets: 2000},
					LUNs: []status.LUN{
						{LUN: 0, Path: "/mnt/luns/lun0", Size: 1 << 30, BlockSize: 512, Vendor: "ACME", Product: "Platter", Revision: "1.2", Serial: "S1",
							ID: "3600140", Thin: true, State: "ready", CacheHits: 3, CacheMisses: 1, UnsyncedBytes: 4096, HeldBytes: 1 << 20, Reservation: "held", ReservationKey: "0x00000000000ab1e5", DirtyBytes: 1 << 20, Waiting: 3, ReadBytes: 4096, WrittenBytes: 8192,
							Holders: []status.Holder{{Kind: "process", Name: "bash", PID: 99, User: "alice", Command: "kill 99"},
								{Kind: "loop device", Name: "/dev/loop0", Command: "losetup -d /dev/loop0"}}},
						{LUN: 1, Path: "/mnt/luns/lun1", Size: 10 << 30, BlockSize: 4096, State: "away", ReadOnly: true, Vendor: "\u009b2J", Warnings: []string{"identity weak"}},
					}},
				{IQN: "iqn.2001-04.com.example:b", Directory: "b", State: "waiting", Since: since, Reason: "login of it: refused\x1b[2J", NextAttempt: &next,
					Portals: []status.Portal{{Address: "192.0.2.9:3260", TPGT: -1, State: "not in use"}}},
			}},
		{Mountpoint: "/mnt/old", Config: "/etc/iscsifs/old.toml", State: "dead", Warnings: []string{"/mnt/old: no daemon serves it; `iscsifs umount /mnt/old` clears it, and mounting again does"}},
	}}
}

func TestStatusText(t *testing.T) {
	for name, verbose := range map[string]int{"status.txt": 0, "status-v.txt": 1, "status-vv.txt": 2} {
		var out bytes.Buffer
		writeStatus(&out, exampleReport(), verbose, false)
		golden(t, name, out.String())
	}
	var none bytes.Buffer
	writeStatus(&none, status.Report{}, 0, false)
	golden(t, "status-none.txt", none.String())
}

func TestMountLines(t *testing.T) {
	m := exampleReport().Mounts[0]
	golden(t, "mount.txt", strings.Join(append(mountedLines(m), missingLines(m)...), "\n")+"\n")
}

var found = []foundTarget{
	{IQN: "iqn.2001-04.com.example:disks", Portals: []foundPortal{{"192.0.2.7:3260", 1}, {"[2001:db8::7]:3260", 2}},
		LUNs: []probedLUN{{LUN: 0, Size: 1 << 30, BlockSize: 512, Vendor: "ACME", Product: "Platter"}}},
	{IQN: "iqn.2001-04.com.example:lun1", Portals: []foundPortal{{"192.0.2.7:3260", -1}}},
	{IQN: "iqn.2001-04.com.example", Portals: []foundPortal{{"192.0.2.7:3260", 1}}},
	{IQN: "iqn.2001-04.com.example:no/name", Portals: []foundPortal{{"192.0.2.7:3260", 1}}},
}

func TestFoundText(t *testing.T) {
	var out bytes.Buffer
	writeFound(&out, found)
	golden(t, "discover.txt", out.String())
}

// What --toml prints is a valid configuration of what was found.
func TestFoundTOML(t *testing.T) {
	secret := file(t, "secret", "a-secret-of-12\n")
	for name, c := range map[string]struct {
		found []foundTarget
		want  int // targets that have a valid name
		chap  chapFlags
	}{
		"discover-one.toml":  {found[:1], 1, chapFlags{}},
		"discover-many.toml": {found, 3, chapFlags{user: "me", passwordFile: secret, mutualUser: `n"as`, mutualPasswordFile: file(t, "other", "another-secret")}},
	} {
		var out bytes.Buffer
		if err := writeTOML(&out, c.found, &c.chap); err != nil {
			t.Fatal(err)
		}
		cfg, _, err := config.Load(file(t, name, out.String()))
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out.String())
		}
		if len(cfg.Targets) != c.want || cfg.Targets[0].IQN != c.found[0].IQN {
			t.Errorf("%s: %+v", name, cfg.Targets)
		}
		stable := strings.NewReplacer(c.chap.passwordFile, "/secret", c.chap.mutualPasswordFile, "/other")
		if c.chap.user == "" {
			stable = strings.NewReplacer()
		}
		golden(t, name, stable.Replace(out.String()))
	}
}

// What --toml=discovery prints is a valid configuration that finds what was found, without
// a password in it.
func TestFoundDiscoveryTOML(t *testing.T) {
	secret := file(t, "secret", "a-secret-of-12\n")
	chap := chapFlags{user: "me", passwordFile: secret, mutualUser: `n"as`, mutualPasswordFile: file(t, "other", "another-secret")}
	var out bytes.Buffer
	if err := writeDiscoveryTOML(&out, "[2001:db8::7]:3260", found, &chap); err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Load(file(t, "found.toml", out.String()))
	if err != nil || len(cfg.Targets) != 0 || len(cfg.Discoveries) != 1 {
		t.Fatalf("%+v, %v in\n%s", cfg, err, out.String())
	}
	d := cfg.Discoveries[0]
	for _, c := range []*config.CHAP{d.CHAP, d.TargetCHAP} {
		if c == nil || c.Username != "me" || c.MutualUsername != `n"as` {
			t.Errorf("credentials %+v", c)
		}
	}
	for _, target := range found[:3] {
		if !d.Matches(target.IQN) {
			t.Errorf("it does not find %s", target.IQN)
		}
	}
	if d.Matches("iqn.2001-04.com.example.other:disks") {
		t.Error("it finds another authority's")
	}
	if strings.Contains(out.String(), "a-secret") || strings.Contains(out.String(), "another-secret") {
		t.Error("it has a password in it")
	}
	golden(t, "discover-discovery.toml", strings.NewReplacer(secret, "/secret", chap.mutualPasswordFile, "/other").Replace(out.String()))
	out.Reset()
	if err := writeDiscoveryTOML(&out, "nas:3260", found[3:], &chapFlags{}); err != nil || strings.Contains(out.String(), "[[discovery]]") || !strings.Contains(out.String(), "Left out") || strings.Contains(out.String(), "no target") {
		t.Errorf("%v: %s", err, out.String())
	}
}

func TestFoundNothing(t *testing.T) {
	var out, asDiscovery bytes.Buffer
	if err := writeTOML(&out, nil, &chapFlags{}); err != nil || !strings.Contains(out.String(), "no target") {
		t.Errorf("%v: %s", err, out.String())
	}
	if err := writeDiscoveryTOML(&asDiscovery, "nas:3260", nil, &chapFlags{}); err != nil || asDiscovery.String() != noTarget+"\n" {
		t.Errorf("%v: %s", err, asDiscovery.String())
	}
}
