package integration

import (
	"strings"
	"testing"
	"time"
)

const (
	cutInterval = 300 * time.Millisecond
	cutTime     = 20 * time.Second // a minute and more with -long
	silentTime  = 20 * time.Second
	// hunger is how long the work may get nowhere before it is let do a little.
	hunger = 4 * time.Second
	// backToWork is how long an operation may still wait when the network is well
	// again.
	backToWork = 25 * time.Second
	// fewest operations are done in each minute in which connections are cut.
	fewest = 500
)

// networkLoad reads and writes the mounted file and verifies what it wrote a little
// later, so that when its time is over nearly nothing is left to do.
var networkLoad = fioJob{"--ioengine=libaio", "--iodepth=32", "--direct=1", "--rw=randwrite", "--bsrange=4k-16k", "--fsync=64",
	"--serialize_overlap=1", "--size=32m", "--verify=crc32c", "--verify_fatal=1", "--verify_backlog=32", "--time_based"}

// TestCutAllTheTime: all connections are cut again and again, many of them while the
// session logs in. No operation fails or reads wrong data, and the work goes on:
// "A lost connection ... is not an I/O error: I/O waits and goes on" (promise 2).
func TestCutAllTheTime(t *testing.T) {
	h, network, s, m := behindProxy(t)
	length := cutTime * time.Duration(*long)
	work := h.load(append(networkLoad, "--runtime="+seconds(length)), m.lun(1))
	cuts := 0
	beat := time.NewTicker(cutInterval)
	defer beat.Stop()
	fed, passed := time.Now(), int64(0)
	for over := time.After(length); over != nil; {
		select {
		case <-beat.C:
			if time.Since(fed) > hunger { // a busy machine logs in more slowly than it is cut off
				eventually(patience, func() bool { return work.ended() || network.passed.Load() > passed+mib })
			}
			if now := network.passed.Load(); now > passed+mib {
				fed, passed = time.Now(), now
			}
			cuts += network.Cut()
		case <-over:
			over = nil
		}
	}
	result := work.within(backToWork).Jobs[0]
	done := result.Read.IOs + result.Write.IOs
	t.Logf("%d connections cut in %v, %d operations", cuts, length, done)
	if want := fewest * int64(length) / int64(time.Minute); done < want {
		t.Errorf("%d operations, want %d", done, want)
	}
	if n := m.target().Reconnects; n < 3 {
		t.Errorf("status counts %d reconnects", n)
	}
	m.wantSameAs(s.backing[1])
}

// TestSilentNetwork: for 20 seconds no byte moves, and no connection ends or fails to
// be made. What had been sent before arrives then, late.
func TestSilentNetwork(t *testing.T) {
	h, network, s, m := behindProxy(t)
	work := h.load(append(networkLoad, "--runtime="+seconds(silentTime)), m.lun(1))
	written := func() bool { return m.target().LUNs[0].WrittenBytes > 8*mib }
	if !eventually(patience, written) {
		t.Fatal("fio writes nothing")
	}
	network.Silence()
	time.Sleep(silentTime) // is the fault itself
	if work.ended() {
		t.Error("fio has ended while nothing moved: nothing was tested")
	}
	network.Resume()
	work.within(backToWork)
	if n := m.target().Reconnects; n == 0 {
		t.Error("the session did not notice the silence")
	}
	m.wantSameAs(s.backing[1])
}

// behindProxy mounts a LUN of tgt through a network that can fail.
func behindProxy(t *testing.T) (*host, *line, *served, *mounted) {
	t.Helper()
	needTools(t, "fio")
	t.Parallel()
	h := newHost(t)
	h.released = true // a login must fit between two cuts
	s := h.serveAs(targetIQN+"."+strings.ToLower(t.Name()), map[string]string{"InitialR2T": "No"}, disk{size: 32 * mib})
	network := newLine(t, s.portal)
	c := s.config()
	c.portal = network.Addr()
	c.tables = "[cache]\n" + smallCache // so that reads go to the target
	return h, network, s, h.mount(c)
}

// within is wait for fio that has to end in time, and what it reports.
func (l *load) within(limit time.Duration) fioResult {
	l.h.t.Helper()
	select {
	case err := <-l.done:
		if err != nil {
			l.h.t.Fatalf("%s: %v\n%s", l.cmd, err, tail(l.output.String(), 2000))
		}
	case <-time.After(limit):
		l.h.t.Fatalf("%s has not ended %v after the last fault", l.cmd, limit)
	}
	return parseFio(l.h.t, l.output.String())
}

// wantSameAs compares the LUN, as read through the mount and then unmounted, with the
// file behind it.
func (m *mounted) wantSameAs(backing string) {
	m.h.t.Helper()
	seen := m.h.sha256(m.lun(1))
	m.umount()
	if stands := m.h.sha256(backing); stands != seen {
		m.h.t.Errorf("sha256sum of the LUN's file is %s, of the backing file %s", seen, stands)
	}
}

func seconds(d time.Duration) string { return itoa(int64(d / time.Second)) }
