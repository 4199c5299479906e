package integration

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/integration/target"
)

// attentionSense is sense data of fixed format with a unit attention (SPC-4,
// Section 4.5.3).
func attentionSense(code, qualifier byte) []byte {
	b := make([]byte, 18)
	b[0], b[2], b[7], b[12], b[13] = 0x70, 0x06, 10, code, qualifier
	return b
}

// touch sends a command to a LUN, so that its target can report a unit attention.
func touch(t *testing.T, path string, off int64) {
	t.Helper()
	f := open(t, path, os.O_RDONLY)
	defer f.Close()
	_, _ = f.ReadAt(make([]byte, 4096), off)
}

// TestLUNGrows: a file that is open has the new size, for the kernel too, however
// the news comes.
func TestLUNGrows(t *testing.T) {
	const small, large = 64 * mib, 128 * mib
	for name, tell := range map[string]func(h *host, s *scripted, m *mounted){
		"attention": func(h *host, s *scripted, m *mounted) { touch(h.t, m.lun(0), 32*mib) },
		"event": func(h *host, s *scripted, m *mounted) {
			s.SendAsync(pdu.AsyncMessage{Event: pdu.AsyncSCSI}, attentionSense(0x2a, 0x09))
		},
		"rescan": func(h *host, s *scripted, m *mounted) {
			wantLine(h.t, h.mustIscsifs("rescan", m.point), "lun0: grew from 64 MiB to 128 MiB")
			wantLine(h.t, h.mustIscsifs("rescan", m.point), "nothing has changed")
		},
		"login": func(h *host, s *scripted, m *mounted) { s.CutConnections() },
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			s := h.script(target.NewMemoryLUN(small, 512))
			m := h.mount(s.config(""))
			f := open(t, m.lun(0), os.O_RDONLY|unix.O_DIRECT)
			if n := aioRead(t, f, small); n != 0 {
				t.Fatalf("read %d bytes past the end", n)
			}
			if err := s.luns[0].SetSize(large); err != nil {
				t.Fatal(err)
			}
			tell(h, s, m)
			if !eventually(patience, func() bool { return aioRead(t, f, large-4096) == 4096 }) {
				t.Fatal("the kernel does not know the new size")
			}
			if info, err := f.Stat(); err != nil || info.Size() != large {
				t.Errorf("st_size: %v, %v", info, err)
			}
		})
	}
}

// TestGrowFileSystem grows a file system on a loop device, mounted where we may.
func TestGrowFileSystem(t *testing.T) {
	needTools(t, "mkfs.ext4", "resize2fs", "e2fsck")
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(64*mib, 512))
	m := h.mount(s.config(""))
	loop := h.attachLoop(m.lun(0), "--direct-io=on")
	h.sh(`mkfs.ext4 -q "$1"`, loop)
	point := h.mountFS(loop, "rw")
	if err := s.luns[0].SetSize(192 * mib); err != nil {
		t.Fatal(err)
	}
	wantLine(t, h.mustIscsifs("rescan", m.point), "lun0: grew from 64 MiB to 192 MiB")
	mayResize := "true"
	if !mayResizeMounted(t) {
		t.Log("the kernel does not let us resize a file system that is mounted (CAP_SYS_RESOURCE)")
		mayResize = "false"
	}
	h.sh(`losetup -c "$1"
		[ "$(blockdev --getsize64 "$1")" = `+itoa(192*mib)+` ]
		`+mayResize+` || umount "$2"
		`+mayResize+` || e2fsck -fp "$1"
		resize2fs "$1"
		`+mayResize+` || mount "$1" "$2"
		head -c 120M /dev/urandom >"$2/random"
		sha256sum "$2/random" >"$3"
		sync -f "$2"
		umount "$2"
		e2fsck -fn "$1" >/dev/null 2>&1
		mount -o ro "$1" "$2"
		sha256sum --quiet -c "$3"
		umount "$2"
		losetup -d "$1"`, loop, point, h.path("sum"))
}

// mayResizeMounted tells whether this process has the capability for it.
func mayResizeMounted(t *testing.T) bool { return capable(t, unix.CAP_SYS_RESOURCE) }

// capable tells whether this process has one of the first 32 capabilities.
func capable(t *testing.T, capability int) bool {
	t.Helper()
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		t.Fatal(err)
	}
	return data[0].Effective&(1<<capability) != 0
}

// TestLUNShrinks: with nothing dirty beyond the new end the file is shorter, and when
// it grows again what is there now is read.
func TestLUNShrinks(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(64*mib, 512))
	m := h.mount(s.config(""))
	old := bytes.Repeat([]byte("old"), 4096)
	if _, err := s.luns[0].WriteAt(old, 48*mib); err != nil {
		t.Fatal(err)
	}
	f := open(t, m.lun(0), os.O_RDONLY)
	got := make([]byte, len(old))
	if _, err := f.ReadAt(got, 48*mib); err != nil || !bytes.Equal(got, old) {
		t.Fatalf("before: %v", err)
	}
	h.resize(s, m, 32*mib, "lun0: shrank from 64 MiB to 32 MiB")
	if n, err := f.ReadAt(got, 48*mib); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("past the new end: %d bytes, %v", n, err)
	}
	h.resize(s, m, 64*mib, "lun0: grew from 32 MiB to 64 MiB")
	if _, err := f.ReadAt(got, 48*mib); err != nil || !bytes.Equal(got, make([]byte, len(got))) {
		t.Errorf("grown again: %v, or what stood there before it shrank", err)
	}
}

func (h *host) resize(s *scripted, m *mounted, size int64, line string) {
	h.t.Helper()
	if err := s.luns[0].SetSize(size); err != nil {
		h.t.Fatal(err)
	}
	wantLine(h.t, h.mustIscsifs("rescan", m.point), line)
	if info, err := os.Stat(m.lun(0)); err != nil || info.Size() != size {
		h.t.Fatalf("the size is %v, %v, want %d", info, err, size)
	}
}

// TestLUNShrinksUnderDirtyData: then nothing is written back, not even what lies
// within, until somebody accepts the loss, or the LUN has its size again.
func TestLUNShrinksUnderDirtyData(t *testing.T) {
	for name, accept := range map[string]bool{"accepted": true, "grown again": false} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			s := h.script(target.NewMemoryLUN(64*mib, 512))
			m := h.mount(s.config(lazyCache))
			within, beyond := h.writer(m.lun(0), 0), h.writer(m.lun(0), 48*mib/writerBlock)
			within.write('w')
			beyond.write('b')
			h.wantDirty(m, 0, 2*writerBlock)
			if err := s.luns[0].SetSize(32 * mib); err != nil {
				t.Fatal(err)
			}
			before := len(s.Commands())
			h.iscsifs("rescan", m.point).wantFailure(t, exitDirty, "lun0: shrank from 64 MiB to 32 MiB", "4.0 KiB", "--accept-shrink")
			h.iscsifs("sync", m.point).wantFailure(t, exitDirty, "8.0 KiB", "--accept-shrink")
			if n, _ := volume(s.since(before), isWrite); n > 0 {
				t.Errorf("%d writes", n)
			}
			h.wantWarning(m, 0, "--accept-shrink")
			if accept {
				out := h.mustIscsifs("rescan", "--accept-shrink", m.point)
				wantLine(t, out, "lun0: shrank from 64 MiB to 32 MiB")
				wantLine(t, out, "lun0: dropped 4.0 KiB that lay beyond the new end and was not on the target")
			} else {
				if err := s.luns[0].SetSize(64 * mib); err != nil {
					t.Fatal(err)
				}
				h.mustIscsifs("rescan", m.point)
			}
			h.mustIscsifs("sync", m.point)
			if got := s.medium(t, 0, 0, 1); got[0] != 'w' {
				t.Error("what lay within is not on the target")
			}
			if !accept {
				if got := s.medium(t, 0, 48*mib, 1); got[0] != 'b' {
					t.Error("what lay beyond for a while is not on the target")
				}
			}
			h.wantWarning(m, 0, "")
		})
	}
}

// wantWarning checks that a LUN's warnings speak of something; "": there is none.
func (h *host) wantWarning(m *mounted, lun int, word string) {
	h.t.Helper()
	text := strings.Join(h.status(m.point).Mounts[0].Targets[0].LUNs[lun].Warnings, "\n")
	if !strings.Contains(text, word) || word == "" && text != "" {
		h.t.Errorf("warnings %q, want %q", text, word)
	}
}

// TestLUNShrinksWhileAway: a write that was under way when the connection was lost is
// not repeated to a LUN that has become too small meanwhile.
func TestLUNShrinksWhileAway(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(64*mib, 512))
	m := h.mount(s.config(lazyCache))
	within, beyond := h.writer(m.lun(0), 0), h.writer(m.lun(0), 48*mib/writerBlock)
	within.write('w')
	beyond.write('b')
	h.wantDirty(m, 0, 2*writerBlock)
	gate := target.NewGate()
	t.Cleanup(gate.Release)
	held := s.OnExecute(scriptedWrites, target.Hold(gate))
	sync, cancel := h.command(h.program(), "sync", m.point)
	defer cancel()
	if err := sync.Start(); err != nil {
		t.Fatal(err)
	}
	if !held.Await(2, patience) {
		t.Fatal("nothing is written back")
	}
	held.Remove()
	if err := s.luns[0].SetSize(32 * mib); err != nil {
		t.Fatal(err)
	}
	before := len(s.Commands())
	s.CutConnections()
	if err := sync.Wait(); sync.ProcessState.ExitCode() != exitDirty {
		t.Errorf("iscsifs sync: %v", err)
	}
	if n, _ := volume(s.since(before), isWrite); n > 0 {
		t.Errorf("%d writes", n)
	}
	h.wantWarning(m, 0, "--accept-shrink")
	h.mustIscsifs("rescan", "--accept-shrink", m.point)
	h.mustIscsifs("sync", m.point)
	if got := s.medium(t, 0, 0, 1); got[0] != 'w' {
		t.Error("what lay within is not on the target")
	}
}
