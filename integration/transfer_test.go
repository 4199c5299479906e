package integration

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// TestTransferModes writes and reads under every combination of the keys that
// decide how data moves: solicited or not, immediate or not, one R2T or more.
func TestTransferModes(t *testing.T) {
	for _, initialR2T := range []string{"Yes", "No"} {
		for _, immediateData := range []string{"Yes", "No"} {
			for _, maxOutstandingR2T := range []string{"1", "4"} {
				name := fmt.Sprintf("InitialR2T=%s,ImmediateData=%s,MaxOutstandingR2T=%s", initialR2T, immediateData, maxOutstandingR2T)
				t.Run(name, func(t *testing.T) {
					testTransfer(t, map[string]string{
						"InitialR2T": initialR2T, "ImmediateData": immediateData, "MaxOutstandingR2T": maxOutstandingR2T,
					})
				})
			}
		}
	}
}

func testTransfer(t *testing.T, settings map[string]string) {
	h := newHost(t)
	s := h.serve(settings, disk{size: 16 * mib})
	m := h.mount(s.config())
	model := newModel(t, m.lun(1))
	model.scribble(60)
	model.compare(m.lun(1))
	model.compare(s.backing[1])
	negotiated := fmt.Sprint(h.status(m.point).Mounts[0].Targets[0].Negotiated)
	for key, value := range settings {
		if !strings.Contains(negotiated, key) {
			t.Errorf("status does not show %s=%s: %s", key, value, negotiated)
		}
	}
}

// model is a disk's content as it must be after writes through its file.
type model struct {
	t    *testing.T
	path string
	data []byte
	rand *rand.Rand
}

func newModel(t *testing.T, path string) *model {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return &model{t: t, path: path, data: data, rand: rand.New(rand.NewPCG(1, 2))}
}

// scribble writes n times at any offset and length, up to 3 MiB, and syncs.
func (m *model) scribble(n int) {
	m.t.Helper()
	f, err := os.OpenFile(m.path, os.O_RDWR, 0)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	fresh := noise(99)
	for range n {
		length := m.rand.IntN([]int{600, 70 * kib, 3 * mib}[m.rand.IntN(3)]) + 1
		offset := m.rand.IntN(len(m.data) - length)
		io.ReadFull(fresh, m.data[offset:offset+length])
		if _, err := f.WriteAt(m.data[offset:offset+length], int64(offset)); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		m.t.Fatal(err)
	}
}

// compare reads a file whole and in pieces and compares it with the model.
func (m *model) compare(path string) {
	m.t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		m.t.Fatal(err)
	}
	if !bytes.Equal(data, m.data) {
		m.t.Errorf("%s differs from what was written", path)
	}
	f, err := os.Open(path)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	for range 50 {
		piece := make([]byte, m.rand.IntN(100*kib)+1)
		offset := m.rand.IntN(len(m.data) - len(piece))
		if _, err := f.ReadAt(piece, int64(offset)); err != nil {
			m.t.Fatal(err)
		}
		if !bytes.Equal(piece, m.data[offset:offset+len(piece)]) {
			m.t.Errorf("%s differs at %d, %d bytes", path, offset, len(piece))
		}
	}
}
