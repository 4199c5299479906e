package config

import (
	"io/fs"
	"strings"
	"testing"
	"time"
)

func TestParsePortal(t *testing.T) {
	for in, want := range map[string]string{ // "" = refused
		"172.29.88.62":            "172.29.88.62:3260",
		"172.29.88.62:860":        "172.29.88.62:860",
		"[2001:db8::62]":          "[2001:db8::62]:3260",
		"[2001:DB8:0::62]:65535":  "[2001:db8::62]:65535",
		"[fe80::1%eth0]:3260":     "[fe80::1%eth0]:3260",
		"nas.example.org":         "nas.example.org:3260",
		"nas":                     "nas:3260",
		"my_nas.local.:3261":      "my_nas.local.:3261",
		"":                        "",
		":3260":                   "",
		"2001:db8::62":            "",
		"2001:db8::62:3260":       "",
		"[2001:db8::62":           "",
		"[192.0.2.7]":             "",
		"[2001:db8::62]3260":      "",
		"[]:3260":                 "",
		"nas:0":                   "",
		"nas:65536":               "",
		"nas:":                    "",
		"nas:+1":                  "",
		"nas:3260:1":              "",
		"192.0.2.7,1":             "",
		"192.0.2.7:3260,1":        "",
		"256.0.0.1":               "",
		"10.0.1":                  "",
		"0.0.0.0":                 "",
		"[::]":                    "",
		"224.0.0.1":               "",
		"[ff02::1]":               "",
		"iscsi://nas/":            "",
		"-nas":                    "",
		"nas..org":                "",
		"n\x00s":                  "",
		"näs":                     "",
		" nas":                    "",
		strings.Repeat("a.", 127): "",
		strings.Repeat("a.", 126): strings.Repeat("a.", 126) + ":3260",
	} {
		p, err := ParsePortal(in)
		if got := p.String(); want == "" && err == nil || want != "" && (err != nil || got != want) {
			t.Errorf("ParsePortal(%q) = %s, %v, want %q", in, got, err, want)
		}
	}
}

func TestCheckName(t *testing.T) {
	longest := "iqn.2001-04.com.example:" + strings.Repeat("x", maxName-24)
	for name, valid := range map[string]bool{
		"iqn.2000-01.com.synology:themain-3rd.ittest": true,
		"iqn.2001-04.com.example":                     true,
		"iqn.2001-04.com.example:a:b.c-d":             true,
		"iqn.2001-12.org.example:größe":               true,
		"eui.02004567A425678D":                        true,
		"naa.52004567BA64678D":                        true,
		"naa.62004567BA64678D0123456789ABCDEF":        true,
		longest:                                       true,
		longest + "x":                                 false,
		"":                                            false,
		"iqn":                                         false,
		"iqn.":                                        false,
		"iqn.2001-13.com.example":                     false,
		"iqn.2001-4.com.example":                      false,
		"iqn.2001-04.":                                false,
		"iqn.2001-04.com.example:":                    false,
		"iqn.2001-04.com..example:x":                  false,
		"iqn.2001-04.com.example:a b":                 false,
		"iqn.2001-04.com.example:a/b":                 false,
		"iqn.2001-04.com.example:a\nb":                false,
		"iqn.2001-04.com.example:a_b":                 false,
		"iqn.2001-04.com.example:A":                   false,
		"IQN.2001-04.com.example:a":                   false,
		"eui.02004567A425678":                         false,
		"naa.52004567BA64678D0":                       false,
		"nqn.2014-08.org.nvmexpress:uuid":             false,
	} {
		if err := CheckName(name); (err == nil) != valid {
			t.Errorf("CheckName(%q) = %v, want valid: %t", name, err, valid)
		}
	}
}

func TestParseSize(t *testing.T) {
	for in, want := range map[string]int64{ // -1 = refused
		"0": 0, "1": 1, "4096": 4096, "256MiB": 256 << 20, "8 GiB": 8 << 30, "1.5KiB": 1536, "1kB": 1000, "64k": 64000,
		"9223372036854775807": 1<<63 - 1, "9223372036854775808": -1, "8EiB": -1, "1e3": -1,
		"": -1, "-1": -1, "+1": -1, "MiB": -1, "1,5GiB": -1, "1 MiB ": -1, "0x10": -1, "1MiBs": -1, "٣MiB": -1, ".5MiB": -1,
	} {
		got, err := parseSize(in)
		if want < 0 && err == nil || want >= 0 && (err != nil || got != want) {
			t.Errorf("parseSize(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	for in, want := range map[int64]string{0: "0", 1023: "1023", 1536: "1536", 2048: "2KiB", 256 << 20: "256MiB", 1 << 60: "1EiB"} {
		if got := formatSize(in); got != want {
			t.Errorf("formatSize(%d) = %s, want %s", in, got, want)
		}
	}
}

func TestTimeout(t *testing.T) {
	for in, want := range map[string]Timeout{"never": Never, "0s": 0, "1m30s": Timeout(90 * time.Second)} {
		got, err := ParseTimeout(in)
		if err != nil || got != want || got.IsNever() != (want == Never) {
			t.Errorf("ParseTimeout(%q) = %s, %v", in, got, err)
		}
	}
	for in, want := range map[Timeout]string{Never: "never", 0: "0s", Timeout(2 * time.Minute): "2m", Timeout(time.Hour): "1h", Timeout(10 * time.Second): "10s", Timeout(3610 * time.Second): "1h0m10s"} {
		if got := in.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if d, err := ParseDuration("-1s"); err == nil {
		t.Errorf("ParseDuration(-1s) = %s", d)
	}
}

func TestParseMode(t *testing.T) {
	for in, want := range map[string]fs.FileMode{"0600": 0o600, "640": 0o640, "0777": 0o777, "000": 0} {
		if got, err := ParseMode(in); err != nil || got != want {
			t.Errorf("ParseMode(%q) = %o, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "6", "60", "0o600", "0800", "1777", "00600", "-600", "+600", "rw-"} {
		if got, err := ParseMode(in); err == nil {
			t.Errorf("ParseMode(%q) = %o", in, got)
		}
	}
}

func TestCheckListen(t *testing.T) {
	for in, valid := range map[string]bool{
		"127.0.0.1:9799": true, ":9799": true, "[::1]:9799": true, "[::]:9799": true, "0.0.0.0:9799": true, "localhost:9799": true,
		"9799": false, "localhost": false, "localhost:": false, "localhost:0": false, "[::1]": false, "a b:1": false, "::1:9799": false,
	} {
		if err := checkListen(in); (err == nil) != valid {
			t.Errorf("checkListen(%q) = %v", in, err)
		}
	}
}

func TestCheckInterface(t *testing.T) {
	for in, valid := range map[string]bool{
		"eth0": true, "enp3s0.100": true, "192.0.2.1": true, "2001:db8::1": true, "fe80::1%eth0": true, "fifteen-letters": true,
		"sixteen--letters": false, "a/b": false, "..": false, "eth0:1": false, "a b": false, "0.0.0.0": false, "\x00": false,
	} {
		if err := checkInterface(in); (err == nil) != valid {
			t.Errorf("checkInterface(%q) = %v", in, err)
		}
	}
}
