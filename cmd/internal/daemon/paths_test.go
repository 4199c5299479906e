package daemon

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/iscsifs/iscsifs/cmd/internal/status"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// TestPathConfigs: a session of its own for each portal times sessions, all with
// ISIDs of their own, which stay when paths are added.
func TestPathConfigs(t *testing.T) {
	opts := newSite().options("/mnt/luns")
	pathsOf := func(sessions int, hosts ...string) []initiator.Config {
		c := config.Target{IQN: iqnA, Session: config.Session{Sessions: sessions}}
		for _, h := range hosts {
			c.Portals = append(c.Portals, config.Portal{Host: h, Port: 3260})
		}
		return newDaemon(opts, nil).newTarget(c, nil).paths()
	}
	isids := func(list []initiator.Config) map[[6]byte]string {
		m := map[[6]byte]string{}
		for _, cfg := range list {
			if len(cfg.Portals) != 1 {
				t.Errorf("portals %v of one path", cfg.Portals)
			}
			m[cfg.ISID] = cfg.Portals[0]
		}
		return m
	}
	one := pathsOf(1, "192.0.2.1")
	two := pathsOf(1, "192.0.2.1", "192.0.2.2")
	six := pathsOf(2, "192.0.2.1", "192.0.2.2", "192.0.2.3")
	if len(one) != 1 || len(two) != 2 || len(six) != 6 || len(isids(six)) != 6 {
		t.Fatalf("%d, %d and %d paths, of which %d have ISIDs of their own", len(one), len(two), len(six), len(isids(six)))
	}
	for isid, portal := range isids(two) {
		if isids(six)[isid] != portal {
			t.Errorf("the path by %s has another ISID when there are more", portal)
		}
	}
	if one[0].ISID != two[0].ISID {
		t.Error("the first path has another ISID when there is a second")
	}
	most := make([]string, config.MaxPortals)
	for i := range most {
		most[i] = fmt.Sprintf("192.0.2.%d", i+1)
	}
	if all := pathsOf(config.MaxSessions, most...); len(isids(all)) != config.MaxPortals*config.MaxSessions {
		t.Error("two of the most paths that there may be have one ISID")
	}
}

// manyPaths is a session that consists of paths.
type manyPaths struct {
	session
	paths []initiator.PathStatus
}

func (m manyPaths) PathStatus() []initiator.PathStatus { return m.paths }

// TestReportPaths: status names every path with its group, state and access state.
func TestReportPaths(t *testing.T) {
	fake := newFakeSession(iqnA, 1)
	s := newSite(fake)
	d := newDaemon(s.options("/mnt/luns"), func(context.Context, []initiator.Config, bool) (session, error) {
		return manyPaths{fake, []initiator.PathStatus{
			{Address: "nas:3260", Portal: "192.0.2.1:3260", Tag: 1, LoggedIn: true, State: "logged in", Access: []scsi.AccessState{scsi.ActiveOptimized}},
			{Address: "192.0.2.2:3260", Portal: "192.0.2.2:3260", Tag: 2, LoggedIn: true, State: "logged in", Access: []scsi.AccessState{scsi.ActiveOptimized, scsi.Standby}},
			{Address: "192.0.2.3:3260", Tag: -1, State: "logging in", Reason: errors.New("no route")},
		}}, nil
	})
	c, err := d.targets[0].connectWithin(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	d.targets[0].present(c, nil)
	want := []status.Portal{
		{Address: "192.0.2.1:3260", TPGT: 1, State: "logged in", ALUA: "active/optimized"},
		{Address: "192.0.2.2:3260", TPGT: 2, State: "logged in", ALUA: "active/optimized, standby"},
		{Address: "192.0.2.3:3260", TPGT: -1, State: "logging in", Reason: "no route"},
	}
	if diff := cmp.Diff(want, d.reportTarget(d.targets[0], nil).Portals); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
