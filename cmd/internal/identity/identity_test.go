package identity

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/iscsifs/iscsifs/config"
)

func TestSessionISID(t *testing.T) {
	id := SessionISID("iqn.a", "iqn.t", "/mnt", 1)
	// Fixed: a new version of the program must go on with the sessions of the old.
	if want := [6]byte{0x80, 0x8d, 0xa5, 0x22, 0, 1}; id != want {
		t.Errorf("ISID %x, want %x", id, want)
	}
	if SessionISID("IQN.A", "iqn.T", "/mnt", 1) != id {
		t.Error("case of an iSCSI name matters")
	}
	for name, other := range map[string][6]byte{
		"initiator": SessionISID("iqn.b", "iqn.t", "/mnt", 1), "target": SessionISID("iqn.a", "iqn.u", "/mnt", 1),
		"mountpoint": SessionISID("iqn.a", "iqn.t", "/mnt2", 1), "index": SessionISID("iqn.a", "iqn.t", "/mnt", 2),
	} {
		if other == id {
			t.Errorf("another %s has the same ISID", name)
		}
	}
}

func TestProbesNeverMeetMounts(t *testing.T) {
	seen := map[[6]byte]bool{}
	for range 1000 {
		id := ProbeISID()
		if id[0] != 0x80 || id[4] < 0x80 || seen[id] {
			t.Fatalf("probe has ISID %x", id)
		}
		seen[id] = true
	}
	if id := SessionISID("a", "b", "c", MaxSessions-1); id[4] >= 0x80 {
		t.Errorf("the last session has ISID %x, one of a probe", id)
	}
	defer func() {
		if recover() == nil {
			t.Error("an index in the range of probes is taken")
		}
	}()
	SessionISID("a", "b", "c", MaxSessions)
}

func TestParseName(t *testing.T) {
	for text, want := range map[string]string{
		"InitiatorName=iqn.1993-08.org.debian:01:abc\n":                        "iqn.1993-08.org.debian:01:abc",
		"# a comment\n\n InitiatorName = iqn.2001-04.com.x:y \nX=1\n":          "iqn.2001-04.com.x:y",
		"InitiatorName=iqn.2001-04.com.x:a\nInitiatorName=iqn.2001-04.com.x:b": "iqn.2001-04.com.x:b",
		"#InitiatorName=iqn.2001-04.com.x:y\n":                                 "",
		"GenerateName=yes\n":                                                   "",
		"InitiatorName=host\n":                                                 "",
		"":                                                                     "",
	} {
		got, err := parseName(strings.NewReader(text))
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("InitiatorName=iqn.2001-04.com.x:y\n")
	f.Fuzz(func(t *testing.T, text string) {
		if name, err := parseName(strings.NewReader(text)); err == nil && config.CheckName(name) != nil {
			t.Errorf("%q is taken for a name", name)
		}
	})
}

func TestGenerate(t *testing.T) {
	for _, host := range []string{"nas", "My_Host.example.org", "", strings.Repeat("x", 300), "größe"} {
		name := generate(host)
		if err := config.CheckName(name); err != nil {
			t.Errorf("host %.20q: %v", host, err)
		}
		if name == generate(host) {
			t.Errorf("%s twice", name)
		}
	}
	if name := generate("My_Host.example.org"); !strings.HasPrefix(name, namePrefix+"myhost-") {
		t.Error(name)
	}
}

// TestKept: of many who come first at once all have the same name, for ever.
func TestKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "initiatorname")
	names := make([]string, 16)
	var all sync.WaitGroup
	for i := range names {
		all.Go(func() {
			var err error
			if names[i], err = kept(file); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, name := range names {
		if name != names[0] || name == "" {
			t.Errorf("%q and %q", names[0], name)
		}
	}
	left, err := os.ReadDir(filepath.Dir(file))
	if err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestKeptBroken: a name that was spoilt is not replaced silently: reservations at
// targets belong to it.
func TestKeptBroken(t *testing.T) {
	file := filepath.Join(t.TempDir(), "initiatorname")
	if err := os.WriteFile(file, []byte("InitiatorName=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if name, err := kept(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("%q, %v", name, err)
	}
}

func TestConfiguredNameWins(t *testing.T) {
	if name, from, err := InitiatorName("iqn.2001-04.com.x:y"); name != "iqn.2001-04.com.x:y" || from != "the configuration" || err != nil {
		t.Error(name, from, err)
	}
}

func TestStateDirectory(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "/home/u")
	for uid, want := range map[int]string{0: "/var/lib/iscsifs", 1000: "/home/u/.local/state/iscsifs"} {
		if dir, err := stateDirectory(uid); dir != want || err != nil {
			t.Errorf("uid %d: %s, %v", uid, dir, err)
		}
	}
	t.Setenv("XDG_STATE_HOME", "/state")
	if dir, _ := stateDirectory(1000); dir != "/state/iscsifs" {
		t.Error(dir)
	}
}
