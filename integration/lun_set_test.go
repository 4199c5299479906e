package integration

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/integration/target"
)

// appears waits until a LUN's file is there.
func (m *mounted) appears(n int) bool {
	return eventually(patience, func() bool { _, err := os.Lstat(m.lun(n)); return err == nil })
}

// vanishes waits until a LUN's file is not there any more.
func (m *mounted) vanishes(n int) bool {
	return eventually(patience, func() bool { _, err := os.Lstat(m.lun(n)); return errors.Is(err, os.ErrNotExist) })
}

// links counts the links to a LUN's file.
func (m *mounted) links(n int) string {
	return m.h.sh(`find "$1" -type l -lname "*lun`+itoa(int64(n))+`" | wc -l`, m.point)
}

// TestLUNAppears: a LUN that a target adds is a file, however the news comes.
func TestLUNAppears(t *testing.T) {
	for name, tell := range map[string]func(h *host, s *scripted, m *mounted){
		"attention": func(h *host, s *scripted, m *mounted) { touch(h.t, m.lun(0), 0) },
		"login":     func(h *host, s *scripted, m *mounted) { s.CutConnections() },
		"rescan": func(h *host, s *scripted, m *mounted) {
			wantLine(h.t, h.mustIscsifs("rescan", m.point), "lun1: new, 32 MiB")
			wantLine(h.t, h.mustIscsifs("rescan", m.point), "nothing has changed")
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			s := h.script(target.NewMemoryLUN(smallDisk, 512))
			m := h.mount(s.config(""))
			added := target.NewMemoryLUN(32*mib, 512)
			if _, err := added.WriteAt([]byte("hello"), 1000); err != nil {
				t.Fatal(err)
			}
			if err := s.AddLUN(1, added); err != nil {
				t.Fatal(err)
			}
			tell(h, s, m)
			if !m.appears(1) {
				t.Fatal("no file")
			}
			data, err := os.ReadFile(m.lun(1))
			if err != nil || len(data) != 32*mib || !bytes.Equal(data[1000:1005], []byte("hello")) {
				t.Errorf("%d bytes, %v", len(data), err)
			}
			if got, want := m.links(1), m.links(0); got != want {
				t.Errorf("%s links, LUN 0 has %s", got, want)
			}
		})
	}
}

// TestLUNNotWanted: the configuration's list of LUNs holds.
func TestLUNNotWanted(t *testing.T) {
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	c := s.config("")
	c.target = "luns = [0]"
	m := h.mount(c)
	if err := s.AddLUN(1, target.NewMemoryLUN(32*mib, 512)); err != nil {
		t.Fatal(err)
	}
	wantLine(t, h.mustIscsifs("rescan", m.point), "nothing has changed")
	if _, err := os.Lstat(m.lun(1)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("LUN 1: %v", err)
	}
}

// twoLUNs is a mount of two LUNs, with lines for [session].
func twoLUNs(t *testing.T, session string) (*host, *scripted, *mounted) {
	t.Helper()
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512), target.NewMemoryLUN(smallDisk, 512))
	c := s.config(lazyCache)
	c.tables += "\n[session]\n" + session
	return h, s, h.mount(c)
}

// TestLUNVanishes: the file goes with the LUN, and who has it open gets EIO: at once when
// the user asks for it, else a moment after the target, which is up, has said so.
func TestLUNVanishes(t *testing.T) {
	for name, tell := range map[string]func(h *host, m *mounted){
		"rescan": func(h *host, m *mounted) {
			wantLine(h.t, h.mustIscsifs("rescan", m.point), "lun1: removed")
			wantLine(h.t, h.mustIscsifs("rescan", m.point), "nothing has changed")
		},
		"attention": func(h *host, m *mounted) { touch(h.t, m.lun(0), 0) },
		"read":      func(h *host, m *mounted) { touch(h.t, m.lun(1), mib) },
	} {
		t.Run(name, func(t *testing.T) {
			h, s, m := twoLUNs(t, "replacement_timeout = \"2m\"")
			f := open(t, m.lun(1), os.O_RDONLY)
			gone := time.Now()
			s.RemoveLUN(1)
			tell(h, m)
			if !m.vanishes(1) || time.Since(gone) > time.Minute {
				t.Fatalf("the file stays for %v, replacement_timeout is 2m", time.Since(gone))
			}
			_, err := f.ReadAt(make([]byte, 512), 0)
			wantErrno(t, "read of a LUN that is gone", err, unix.EIO)
			if n := strings.TrimSpace(m.links(1)); n != "0" {
				t.Errorf("%s links are left", n)
			}
			h.sh(`cat "$1" >/dev/null`, m.lun(0))
		})
	}
}

// TestLUNAwayForAMoment: a LUN that comes back, with the same identity, has its file,
// its handles and its dirty data; one with dirty data is not even given up on request.
func TestLUNAwayForAMoment(t *testing.T) {
	h, s, m := twoLUNs(t, "replacement_timeout = \"2m\"")
	reader := open(t, m.lun(1), os.O_RDONLY)
	w := h.writer(m.lun(1), 0)
	w.write('w')
	h.wantDirty(m, 1, writerBlock)
	s.RemoveLUN(1)
	h.iscsifs("rescan", m.point).wantFailure(t, exitDirty, "lun1", "4.0 KiB", "--discard-dirty")
	h.wantWarning(m, 1, "--discard-dirty")
	if _, err := os.Lstat(m.lun(1)); err != nil {
		t.Errorf("the file: %v", err)
	}
	if err := s.AddLUN(1, s.luns[1]); err != nil {
		t.Fatal(err)
	}
	h.mustIscsifs("rescan", m.point)
	h.mustIscsifs("sync", m.point)
	if got := s.medium(t, 1, 0, 1); got[0] != 'w' {
		t.Error("what was dirty is not on the target")
	}
	if _, err := reader.ReadAt(make([]byte, 512), mib); err != nil {
		t.Errorf("a handle from before: %v", err)
	}
	h.wantWarning(m, 1, "")
}

// TestLUNReplaced: another logical unit at the same number is another file.
func TestLUNReplaced(t *testing.T) {
	h, s, m := twoLUNs(t, "")
	f := open(t, m.lun(1), os.O_RDONLY)
	s.RemoveLUN(1)
	if err := s.AddLUN(1, target.NewMemoryLUN(32*mib, 512, uniqueNAA("0c1"))); err != nil {
		t.Fatal(err)
	}
	out := h.mustIscsifs("rescan", m.point)
	wantLine(t, out, "lun1: removed")
	wantLine(t, out, "lun1: new, 32 MiB")
	_, err := f.ReadAt(make([]byte, 512), 0)
	wantErrno(t, "read of the old LUN", err, unix.EIO)
	if info, err := os.Stat(m.lun(1)); err != nil || info.Size() != 32*mib {
		t.Errorf("the new one: %v, %v", info, err)
	}
}

// TestWriteProtection follows the target's: open files too can be written, or not.
func TestWriteProtection(t *testing.T) {
	for name, initially := range map[string]bool{"writable": false, "protected": true} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			var options []target.Option
			if initially {
				options = append(options, target.ReadOnly())
			}
			s := h.script(target.NewMemoryLUN(smallDisk, 512, options...))
			m := h.mount(s.config(lazyCache))
			protect := func(on bool) {
				t.Helper()
				s.luns[0].SetWriteProtected(on)
				out := h.mustIscsifs("rescan", m.point)
				if on { // else a write-back may have met the news before
					wantLine(t, out, "lun0: write-protected by the target")
					_, err := os.OpenFile(m.lun(0), os.O_RDWR, 0)
					wantErrno(t, "open for writing", err, unix.EROFS)
					h.wantWarning(m, 0, "read-only")
				}
			}
			if initially {
				protect(false)
			}
			w := h.writer(m.lun(0), 0)
			w.write('1')
			protect(true)
			if !h.status(m.point).Mounts[0].Targets[0].LUNs[0].ReadOnly {
				t.Error("status does not say so")
			}
			w.write('2')
			if said := w.end(); !strings.Contains(said, "Read-only file system") {
				t.Errorf("a write of an open file: %q", said)
			}
			protect(false)
			h.sh(`printf 3 | dd of="$1" bs=4096 seek=2 conv=notrunc status=none`, m.lun(0))
			for block, want := range "1\x003" {
				if got := s.medium(t, 0, int64(block)*writerBlock, 1); got[0] != byte(want) {
					t.Errorf("block %d of the medium has %q, want %q", block, got, want)
				}
			}
		})
	}
}

// TestInquiryChanges: status and the extended attributes follow.
func TestInquiryChanges(t *testing.T) {
	needTools(t, "getfattr")
	h := newHost(t)
	s := h.script(target.NewMemoryLUN(smallDisk, 512))
	m := h.mount(s.config(""))
	s.luns[0].SetRevision("9.7")
	touch(t, m.lun(0), 0)
	attr := func() string {
		return h.sh(`getfattr --only-values -n user.iscsi.revision "$1"`, m.lun(0))
	}
	if !eventually(patience, func() bool { return attr() == "9.7" }) {
		t.Errorf("user.iscsi.revision is %q", attr())
	}
	if got := h.status(m.point).Mounts[0].Targets[0].LUNs[0].Revision; got != "9.7" {
		t.Errorf("status says %q", got)
	}
}

// TestLUNSetOfTGT: what a real target adds, takes away and makes larger.
func TestLUNSetOfTGT(t *testing.T) {
	h, s, m := oneLUN(t)
	size := itoa(int64(smallDisk / mib))
	h.addDisk(s, disk{size: smallDisk})
	wantLine(t, h.mustIscsifs("rescan", m.point), "lun2: new, "+size+" MiB")
	if h.sha256(m.lun(2)) != h.sha256(s.backing[2]) {
		t.Error("the new LUN reads other bytes than its backing file")
	}
	if err := s.RemoveLUN(2); err != nil {
		t.Fatal(err)
	}
	wantLine(t, h.mustIscsifs("rescan", m.point), "lun2: removed")

	// tgt knows of a size what it was when the LUN was added.
	if err := s.RemoveLUN(1); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(s.backing[1], 2*smallDisk); err != nil {
		t.Fatal(err)
	}
	if err := s.AddAgain(1, s.backing[1]); err != nil {
		t.Fatal(err)
	}
	h.mustIscsifs("rescan", m.point)
	if !eventually(patience, func() bool { info, err := os.Stat(m.lun(1)); return err == nil && info.Size() == 2*smallDisk }) {
		t.Error("the larger LUN does not show")
	}
	if h.sha256(m.lun(1)) != h.sha256(s.backing[1]) {
		t.Error("the larger LUN reads other bytes than its backing file")
	}
}

// lost is a LUN 1 that was away for longer than replacement_timeout, with dirty data.
func lost(t *testing.T) (*host, *scripted, *mounted, *writer) {
	t.Helper()
	h, s, m := twoLUNs(t, "replacement_timeout = \"1s\"")
	w := h.writer(m.lun(1), 0)
	w.write('w')
	h.wantDirty(m, 1, writerBlock)
	s.RemoveLUN(1)
	touch(t, m.lun(1), mib)
	if !eventually(patience, func() bool {
		return strings.Contains(strings.Join(h.status(m.point).Mounts[0].Targets[0].LUNs[1].Warnings, "\n"), "lost since")
	}) {
		t.Fatal("status does not call the LUN lost")
	}
	return h, s, m, w
}

// TestLUNBackTooLate: what could not be written for longer than replacement_timeout is
// held back when the LUN returns, and status says how to write it.
func TestLUNBackTooLate(t *testing.T) {
	h, s, m, w := lost(t)
	if said := w.end(); !strings.Contains(said, "Input/output error") {
		t.Errorf("close(2) of what could not be written: %q", said)
	}
	if err := s.AddLUN(1, s.luns[1]); err != nil {
		t.Fatal(err)
	}
	h.mustIscsifs("rescan", m.point) // the session may have looked by itself before
	h.wantWarning(m, 1, "iscsifs sync")
	if got := s.medium(t, 1, 0, 1); got[0] == 'w' {
		t.Error("written, though another host may own the LUN by now")
	}
	h.mustIscsifs("sync", m.point)
	if got := s.medium(t, 1, 0, 1); got[0] != 'w' {
		t.Error("not written by iscsifs sync")
	}
	h.wantWarning(m, 1, "")
}

// TestLUNLostForGood: its data keeps the mount, until somebody gives it up; the log
// then says what was lost.
func TestLUNLostForGood(t *testing.T) {
	h, _, m, w := lost(t)
	w.end()
	h.iscsifs("umount", m.point).wantFailure(t, exitDirty, "4.0 KiB", "LUN 1", "--discard-dirty")
	log := func() string {
		text, err := os.ReadFile(h.path("log/daemon.log"))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	const givenUp = "given up, as --discard-dirty asks"
	if strings.Contains(log(), givenUp) {
		t.Error("the log calls the data lost too early")
	}
	h.mustIscsifs("umount", "--discard-dirty", m.point)
	m.gone = true
	if !strings.Contains(log(), givenUp) {
		t.Error("the log does not say what was lost")
	}
}
