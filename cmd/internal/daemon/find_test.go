package daemon

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
)

const (
	iqnC = "iqn.2026-11.org.example:c"
	iqnD = "iqn.2026-11.org.example:d"
)

// offering is a site whose only portal is asked for what to log in to; there are the
// targets C and D, with a LUN 1 each.
func offering(required bool) *site {
	s := newSite()
	for _, iqn := range []string{iqnC, iqnD} {
		s.sessions[iqn] = newFakeSession(iqn, 1)
	}
	s.cfg.Discoveries = []config.Discovery{{
		Portal: config.Portal{Host: "192.0.2.1", Port: 3260}, Match: []string{"*:c", "*:d"}, Directory: "{iqn}", Required: required,
		CHAP:       &config.CHAP{Username: "asks", Password: config.NewSecret([]byte("a secret to ask"))},
		TargetCHAP: &config.CHAP{Username: "host", Password: config.NewSecret([]byte("a secret to log in"))},
		Session:    config.Session{Sessions: 1},
	}}
	return s
}

func TestFind(t *testing.T) {
	s := offering(true)
	s.offer(nil, iqnD, "iqn.2026-11.org.example:other", iqnC, strings.ToUpper(iqnC))
	d := served(t, s)
	wantPaths(t, d, iqnC+"/lun1", iqnD+"/lun1") // by name, each once
	if n := len(d.all()); n != 2 {
		t.Errorf("%d targets", n)
	}
	if asked := s.asked[0]; asked.CHAP.Username != "asks" || asked.Portals[0] != "192.0.2.1:3260" || asked.ReplacementTimeout != 0 {
		t.Errorf("discovery by %+v", asked)
	}
	if p := d.targetNamed(iqnC).paths()[0]; p.CHAP.Username != "host" || p.ISID == s.asked[0].ISID {
		t.Errorf("session by %+v", p)
	}
}

// A [[target]] of the same name is what it says.
func TestTargetWinsOverFound(t *testing.T) {
	s := offering(false)
	s.cfg.Targets = []config.Target{{IQN: iqnC, Directory: "mine", Portals: []config.Portal{{Host: "192.0.2.9", Port: 3260}}, Session: config.Session{Sessions: 1}}}
	s.offer(nil, iqnC, iqnD)
	d := served(t, s)
	wantPaths(t, d, "mine/lun1", iqnD+"/lun1")
	rescan(t, d)
	wantPaths(t, d, "mine/lun1", iqnD+"/lun1")
}

// With required = true the mount fails where nothing is found; without it comes later.
func TestFindNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		code exitcode.Code
	}{
		{"silence", initiator.ErrTimeout, exitcode.Unreachable},
		{"refusal", initiator.LoginAuthenticationFailure, exitcode.Refused},
		{"no match", nil, exitcode.Unreachable},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := offering(true)
			s.offer(c.err, "iqn.2026-11.org.example:other")
			_, err := s.start(t)
			if exitcode.Of(err) != int(c.code) || !strings.Contains(err.Error(), "[[discovery]] of 192.0.2.1:3260") {
				t.Errorf("code %d: %v", exitcode.Of(err), err)
			}
			s.cfg.Discoveries[0].Required = false
			d := served(t, s)
			wantPaths(t, d)
			if w := d.Report(t.Context()).Warnings; len(w) != 1 || !strings.Contains(w[0], "has found nothing") {
				t.Errorf("status warns of %q", w)
			}
			s.offer(nil, iqnC)
			wantPaths(t, d, iqnC+"/lun1") // it is asked again by itself
			if w := d.Report(t.Context()).Warnings; len(w) != 0 {
				t.Errorf("status warns of %q", w)
			}
		})
	}
}

func TestRescanFinds(t *testing.T) {
	s := offering(false)
	s.offer(nil, iqnC)
	d := served(t, s)
	wantChanges(t, rescan(t, d), 0, "")
	s.offer(nil, iqnC, iqnD)
	wantChanges(t, rescan(t, d), 0, "", iqnD+"/lun1: new, 1.0 MiB, of "+iqnD)
	wantPaths(t, d, iqnC+"/lun1", iqnD+"/lun1")
	s.offer(initiator.ErrTimeout)
	wantChanges(t, rescan(t, d), exitcode.Unreachable, "[[discovery]] of 192.0.2.1:3260")
	wantPaths(t, d, iqnC+"/lun1", iqnD+"/lun1")
}

// What is offered no more stays while its session lives, and is forgotten without.
func TestOfferedNoMore(t *testing.T) {
	s := offering(false)
	s.offer(nil, iqnC, iqnD)
	d := served(t, s)
	s.offer(nil, iqnD)
	c := rescan(t, d)
	if len(c.Done) != 1 || !strings.Contains(c.Done[0], iqnC+": offered no more, and stays") {
		t.Errorf("%+v", c)
	}
	wantPaths(t, d, iqnC+"/lun1", iqnD+"/lun1")
	logoutOf(t, d, LogoutOptions{IQN: iqnC})
	wantChanges(t, rescan(t, d), 0, "", iqnC+": offered no more: gone")
	if d.targetNamed(iqnC) != nil {
		t.Error("it is a target still")
	}
	s.offer(nil, iqnC, iqnD)
	rescan(t, d)
	wantPaths(t, d, iqnD+"/lun1", iqnC+"/lun1")
}

// One that cannot be logged in to is tried again.
func TestFoundButRefusing(t *testing.T) {
	s := offering(false)
	s.offer(nil)
	s.cfg.Discoveries[0].Match = []string{"*"}
	s.refuse(iqnC, initiator.LoginServiceUnavailable)
	s.offer(nil, iqnC)
	d := served(t, s)
	wantPaths(t, d)
	s.refuse(iqnC, nil)
	wantPaths(t, d, iqnC+"/lun1")
}

// A found target that is out stays out.
func TestFoundAndOut(t *testing.T) {
	s := offering(false)
	s.offer(nil, iqnC)
	d := served(t, s)
	logoutOf(t, d, LogoutOptions{IQN: iqnC})
	wantChanges(t, rescan(t, d), 0, "")
	wantPaths(t, d)
	loginTo(t, d, iqnC)
	wantPaths(t, d, iqnC+"/lun1")
}

// Names are hostile text: they stay below the mountpoint, and no two share a directory.
func TestHostileNames(t *testing.T) {
	names := []string{"..", ".", "a/b", "a_b", "../../etc/passwd", "by-id", "lun1", strings.Repeat("x", 223), "\x1b[2J", "a\x00b"}
	s := offering(false)
	s.cfg.Discoveries[0].Match = []string{"*"}
	for _, name := range names {
		s.sessions[name] = newFakeSession(name, 1)
	}
	s.offer(nil, names...)
	d := served(t, s)
	if n := len(d.attached()); n != len(names) {
		t.Fatalf("%d files, want %d", n, len(names))
	}
	seen := map[string]bool{}
	for _, path := range paths(d) {
		directory, file, _ := strings.Cut(path, "/")
		if file != "lun1" || seen[directory] || len(directory) > 255 || strings.Trim(directory, ".") == "" || strings.ContainsAny(directory, "\x00\x1b") {
			t.Errorf("%q", path)
		}
		seen[directory] = true
	}
	again := served(t, copyOf(s)) // the same names in every mount
	if !slices.Equal(paths(again), paths(d)) {
		t.Errorf("%q, then %q", paths(d), paths(again))
	}
}

// copyOf is the same site for another mount, of other units.
func copyOf(s *site) *site {
	other := newSite()
	other.cfg, other.offers = s.cfg, s.offers
	other.cfg.Discoveries[0].ReadOnly = true // else each unit is in use
	for iqn := range s.sessions {
		other.sessions[iqn] = newFakeSession(iqn, 1)
	}
	return other
}

// What is not an address is left out, of many only so many are used, and the portal that
// answered comes first.
func TestPortalsOffered(t *testing.T) {
	s := offering(false)
	s.offer(nil, iqnC)
	s.offers[0].Portals = nil
	for i := range 2 * config.MaxPortals {
		s.offers[0].Portals = append(s.offers[0].Portals, initiator.DiscoveredPortal{Address: fmt.Sprintf("192.0.2.%d:3260", i+2)})
	}
	s.offers[0].Portals = append(s.offers[0].Portals, initiator.DiscoveredPortal{Address: "0.0.0.0:3260"}, initiator.DiscoveredPortal{Address: "a b:3260"},
		initiator.DiscoveredPortal{Address: "192.0.2.1:3260"})
	opts := s.options("/mnt/luns")
	list, err := find(t.Context(), &opts, &opts.Config.Discoveries[0])
	if err != nil || len(list) != 1 || len(list[0].portals) != config.MaxPortals || list[0].portals[0].String() != "192.0.2.1:3260" {
		t.Errorf("%v, %v", list, err)
	}
	s.offers[0].Portals = s.offers[0].Portals[len(s.offers[0].Portals)-3:][:2]
	if list, _ = find(t.Context(), &opts, &opts.Config.Discoveries[0]); len(list[0].portals) != 1 || list[0].portals[0].String() != "192.0.2.1:3260" {
		t.Errorf("without an address that can be used: %v", list)
	}
}

// A portal that offers without end makes no mount of it.
func TestTooManyFound(t *testing.T) {
	s := offering(false)
	s.cfg.Discoveries[0].Match = []string{"*"}
	var names []string
	for i := range maxFound + 10 {
		names = append(names, fmt.Sprintf("iqn.2026-11.org.example:%d", i))
	}
	s.offer(nil, names...)
	opts := s.options("/mnt/luns")
	if list, err := find(t.Context(), &opts, &opts.Config.Discoveries[0]); err != nil || len(list) != maxFound {
		t.Errorf("%d, %v", len(list), err)
	}
}

// A required discovery is tried for as long as wait says.
func TestFindWithin(t *testing.T) {
	s := offering(true)
	s.cfg.Mount.Wait = time.Hour
	s.offer(errors.New("not yet"))
	started := make(chan *Daemon, 1)
	go func() {
		d, err := s.start(t)
		if err != nil {
			t.Error(err)
		}
		started <- d
	}()
	s.offer(nil, iqnC)
	d := <-started
	done := make(chan error, 1)
	go func() { done <- d.Serve(t.Context()) }()
	wantPaths(t, d, iqnC+"/lun1")
	if err := errors.Join(d.Unmount(t.Context(), UnmountOptions{}), <-done); err != nil {
		t.Error(err)
	}
}
