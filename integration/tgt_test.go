package integration

import (
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/iscsifs/iscsifs/integration/tgt"
)

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

const targetIQN = "iqn.2026-11.org.example.nas:disks"

// disk describes a LUN of a test's target.
type disk struct {
	size      int64 // bytes; a sparse file whose first randomBytes are random
	blockSize int   // 0 = 512
	params    map[string]string
}

// randomBytes is how much of a disk's beginning tells it from zeroes.
const randomBytes = 4 * mib

// served is a target with its disks, on a tgtd of its own.
type served struct {
	*tgt.Target
	daemon  *tgt.Daemon
	portal  string
	backing map[int]string // file behind each LUN
	in, out tgt.Account
}

// startTGT runs a tgtd for this test only.
func (h *host) startTGT() *tgt.Daemon {
	h.t.Helper()
	needRoot(h.t)
	needTools(h.t, "tgtd", "tgtadm")
	d, err := tgt.Start()
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(d.Close)
	return d
}

// serve starts a target with the given disks as LUN 1, 2, …; settings are
// tgt's values for RFC 7143's keys.
func (h *host) serve(settings map[string]string, disks ...disk) *served {
	h.t.Helper()
	return h.serveAs(targetIQN, settings, disks...)
}

func (h *host) serveAs(iqn string, settings map[string]string, disks ...disk) *served {
	h.t.Helper()
	d := h.startTGT()
	target, err := d.AddTarget(iqn, settings)
	if err != nil {
		h.t.Fatal(err)
	}
	s := &served{Target: target, daemon: d, portal: d.Portal(), backing: map[int]string{}}
	h.t.Cleanup(func() { s.wantNoSession(h.t) })
	for _, k := range disks {
		h.addDisk(s, k)
	}
	return s
}

// addDisk gives a target one more LUN.
func (h *host) addDisk(s *served, k disk) int {
	h.t.Helper()
	file, err := os.CreateTemp(h.dir, "disk-*.img")
	if err != nil {
		h.t.Fatal(err)
	}
	defer file.Close()
	if _, err := io.CopyN(file, noise(uint64(len(s.backing))), min(k.size, randomBytes)); err != nil {
		h.t.Fatal(err)
	}
	if err := file.Truncate(k.size); err != nil {
		h.t.Fatal(err)
	}
	lun, err := s.AddLUN(tgt.LUN{Path: file.Name(), BlockSize: k.blockSize, Params: k.params})
	if err != nil {
		h.t.Fatal(err)
	}
	s.backing[lun] = file.Name()
	return lun
}

// noise is an endless stream of random bytes, the same for the same seed.
func noise(seed uint64) io.Reader {
	var key [32]byte
	key[0] = byte(seed)
	return rand.NewChaCha8(key)
}

// withCHAP makes the target demand mutual CHAP.
func (s *served) withCHAP(t *testing.T) *served {
	t.Helper()
	if err := s.RequireCHAP(hostAccount, targetAccount); err != nil {
		t.Fatal(err)
	}
	s.in, s.out = hostAccount, targetAccount
	return s
}

// config is the configuration that mounts the target.
func (s *served) config() config {
	return config{portal: s.portal, iqn: s.IQN, in: s.in, out: s.out}
}

// wantNoSession checks that every initiator has logged out.
func (s *served) wantNoSession(t *testing.T) {
	t.Helper()
	var names []string
	var err error
	gone := eventually(patience, func() bool {
		names, err = s.Sessions()
		return err != nil || len(names) == 0
	})
	if err != nil || !gone {
		t.Errorf("sessions left at the target: %v %v", names, err)
	}
}
