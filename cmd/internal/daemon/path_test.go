package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
)

// twoPaths is a mount of a target with two portals.
func twoPaths(t *testing.T) (*site, *Daemon) {
	t.Helper()
	s := newSite(newFakeSession(iqnA, 1))
	s.cfg.Targets[0].Portals = portalsNamed("192.0.2.1", "192.0.2.2")
	return s, served(t, s)
}

func portalsNamed(hosts ...string) (list []config.Portal) {
	for _, h := range hosts {
		list = append(list, config.Portal{Host: h, Port: 3260})
	}
	return list
}

// wantInUse compares the portals of the sessions that are open, and returns their ISIDs.
func wantInUse(t *testing.T, d *Daemon, hosts ...string) map[string][6]byte {
	t.Helper()
	isids := map[string][6]byte{}
	var got []string
	if s, ok := d.targetNamed(iqnA).sessionNow().(*fakePaths); ok {
		for _, c := range s.cfgs {
			host, _, _ := strings.Cut(c.Portals[0], ":")
			got = append(got, host)
			isids[host] = c.ISID
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, hosts) {
		t.Errorf("paths by %v, want %v", got, hosts)
	}
	return isids
}

func TestLogoutOfOnePath(t *testing.T) {
	s, d := twoPaths(t)
	s.mount.hold(shell) // nobody is disturbed
	logoutOf(t, d, LogoutOptions{IQN: iqnA, Portal: "192.0.2.1"})
	wantInUse(t, d, "192.0.2.2")
	wantPaths(t, d, "lun1")
	var states []string
	for _, p := range d.Report(t.Context()).Targets[0].Portals {
		states = append(states, p.Address+" "+p.State)
	}
	if want := []string{"192.0.2.2:3260 logged in", "192.0.2.1:3260 logged out"}; !slices.Equal(states, want) {
		t.Errorf("status has %q, want %q", states, want)
	}
	reload(t, d)
	rescan(t, d)
	wantInUse(t, d, "192.0.2.2") // it stays out
	loginTo(t, d, iqnA)
	wantInUse(t, d, "192.0.2.1", "192.0.2.2")
	s.mount.hold()
	for _, host := range []string{"192.0.2.2", "192.0.2.1"} { // the last is the target
		logoutOf(t, d, LogoutOptions{IQN: iqnA, Portal: host})
	}
	wantPaths(t, d)
	if stateOf(d, iqnA) != out {
		t.Errorf("state %s", stateOf(d, iqnA))
	}
	if err := d.Login(t.Context(), LoginOptions{IQN: iqnA, Portal: "192.0.2.2:3260"}); err != nil {
		t.Fatal(err)
	}
	wantInUse(t, d, "192.0.2.2")
	wantPaths(t, d, "lun1")
}

// A path that cannot be logged in to stays out.
func TestLoginOfAbsentPath(t *testing.T) {
	_, d := twoPaths(t)
	logoutOf(t, d, LogoutOptions{IQN: iqnA, Portal: "192.0.2.1"})
	d.targetNamed(iqnA).sessionNow().(*fakePaths).addErr = initiator.ErrTimeout
	err := d.Login(t.Context(), LoginOptions{IQN: iqnA, Portal: "192.0.2.1"})
	if exitcode.Of(err) != int(exitcode.Unreachable) {
		t.Errorf("code %d: %v", exitcode.Of(err), err)
	}
	wantInUse(t, d, "192.0.2.2")
}

// Portals come and go with the file, and a path keeps its ISID: no session ends
// another.
func TestReloadPortals(t *testing.T) {
	s, d := twoPaths(t)
	before := wantInUse(t, d, "192.0.2.1", "192.0.2.2")
	s.cfg.Targets[0].Portals = portalsNamed("192.0.2.3", "192.0.2.2", "192.0.2.4")
	wantChanges(t, reload(t, d), 0, "", iqnA+": changed: portals")
	after := wantInUse(t, d, "192.0.2.2", "192.0.2.3", "192.0.2.4")
	if after["192.0.2.2"] != before["192.0.2.2"] {
		t.Error("a path has another ISID")
	}
	if after["192.0.2.3"] == after["192.0.2.2"] || after["192.0.2.4"] == after["192.0.2.2"] || after["192.0.2.3"] == after["192.0.2.4"] {
		t.Errorf("two sessions have one ISID: %x", after)
	}
	for i := range 1100 { // more than there are ISIDs: those of portals that go are given back
		s.cfg.Targets[0].Portals = portalsNamed("192.0.2.2", fmt.Sprintf("h%d.example.org", i))
		reload(t, d)
	}
	// One portal has a session without paths: a second waits for the next login.
	one := newSite(newFakeSession(iqnB, 1))
	other := served(t, one)
	one.cfg.Targets[0].Portals = portalsNamed("192.0.2.1", "192.0.2.2")
	wantChanges(t, reload(t, other), exitcode.Failed, "portals: cannot be changed")
}
