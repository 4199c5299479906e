package mounts

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/fusetest"
)

// How long a mount is asked: plenty for an answer, and what a test of silence takes.
const (
	probeTime   = 30 * time.Second
	silenceTime = time.Second
)

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
}

// found returns the mount on a point, which there must be.
func found(t *testing.T, point string) Mount {
	t.Helper()
	m, ok, err := Find(point)
	if err != nil || !ok {
		t.Fatalf("no mount on %s: %v", point, err)
	}
	return m
}

func expectState(t *testing.T, m Mount, want State) {
	t.Helper()
	limit := probeTime
	if want == Unanswering {
		limit = silenceTime
	}
	got, err := m.Probe(t.Context(), limit)
	if err != nil || got != want {
		t.Fatalf("the mount is %v (%v), want %v", got, err, want)
	}
}

func TestFind(t *testing.T) {
	s := fusetest.Start(t)
	m := found(t, s.Point)
	if m.Point != s.Point || m.Source != fusetest.Source || m.UserID != os.Geteuid() || m.ReadOnly || m.Minor == 0 {
		t.Errorf("found %+v", m)
	}
	if _, ok, err := Find(filepath.Dir(s.Point)); ok || err != nil {
		t.Errorf("a directory that is no mountpoint: %t, %v", ok, err)
	}
	if _, _, err := Find("/nowhere/to/be"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
}

func TestListLeavesOutBindMounts(t *testing.T) {
	needRoot(t)
	s := fusetest.Start(t)
	whole, file := t.TempDir(), filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for target, source := range map[string]string{whole: s.Point, file: s.Point + "/lun0"} {
		if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
	}
	list, err := List()
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range list {
		if m.Point == whole || m.Point == file {
			t.Errorf("%s is listed, a bind mount", m.Point)
		}
	}
	found(t, s.Point)
}

func TestProbe(t *testing.T) {
	s := fusetest.Start(t)
	m := found(t, s.Point)
	expectState(t, m, Live)
	s.Freeze()
	start := time.Now()
	expectState(t, m, Unanswering)
	if took := time.Since(start); took > silenceTime+reapTime+probeTime/2 {
		t.Errorf("asking a daemon that hangs took %s", took)
	}
	s.Thaw()
	expectState(t, m, Live)
	s.Kill()
	expectState(t, m, Dead)
}

// TestRefresh: a file that is there, one that is not, and a daemon that hangs.
func TestRefresh(t *testing.T) {
	s := fusetest.Start(t)
	m := found(t, s.Point)
	if err := m.Refresh(t.Context(), "", probeTime); err != nil {
		t.Error(err)
	}
	if err := m.Refresh(t.Context(), "nothing", probeTime); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	s.Freeze()
	if err := m.Refresh(t.Context(), "", silenceTime); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a daemon that hangs: %v", err)
	}
	s.Thaw()
}

// TestProbeAsTheMountsUser: root learns of a mount that shuts root out.
func TestProbeAsTheMountsUser(t *testing.T) {
	needRoot(t)
	s := fusetest.Start(t)
	m := found(t, s.Point)
	m.UserID, m.GroupID = 65534, 65534
	expectState(t, m, Live)
	s.Kill()
	if err := os.Chmod(s.Point+"/..", 0o755); err != nil {
		t.Fatal(err)
	}
	if uid := proberUID(t, m); uid != 65534 {
		t.Errorf("asked as uid %d", uid)
	}
}

func proberUID(t *testing.T, m Mount) uint32 {
	t.Helper()
	attr := m.prober(m.Point).SysProcAttr
	if attr == nil || attr.Credential == nil {
		t.Fatal("asked as root")
	}
	return attr.Credential.Uid
}

func TestClearDead(t *testing.T) {
	s := fusetest.Start(t)
	_, err := ClearDead(t.Context(), s.Point, probeTime)
	if exitcode.Of(err) != int(exitcode.InUse) {
		t.Fatalf("a live mount: %v", err)
	}
	s.Freeze()
	if _, err = ClearDead(t.Context(), s.Point, silenceTime); exitcode.Of(err) != int(exitcode.InUse) {
		t.Fatalf("a hanging mount: %v", err)
	}
	found(t, s.Point)
	s.Kill()
	if cleared, err := ClearDead(t.Context(), s.Point, probeTime); !cleared || err != nil {
		t.Fatalf("a dead mount: cleared %t, %v", cleared, err)
	}
	if _, ok, err := Find(s.Point); ok || err != nil {
		t.Errorf("it is still there: %v", err)
	}
	if cleared, err := ClearDead(t.Context(), s.Point, probeTime); cleared || err != nil {
		t.Errorf("nothing: cleared %t, %v", cleared, err)
	}
}

// TestClearDeadInUse: a loop device on a file of a dead mount, which no tool names,
// is not in the way of mounting again.
func TestClearDeadInUse(t *testing.T) {
	s := fusetest.Start(t)
	f, err := os.Open(s.Point + "/lun0")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s.Kill()
	if cleared, err := ClearDead(t.Context(), s.Point, probeTime); !cleared || err != nil {
		t.Fatalf("cleared %t, %v", cleared, err)
	}
	if _, ok, err := Find(s.Point); ok || err != nil {
		t.Errorf("it is still there: %v", err)
	}
}

func TestUnmountBusy(t *testing.T) {
	s := fusetest.Start(t)
	m := found(t, s.Point)
	f, err := os.Open(s.Point + "/lun0")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := m.Unmount(t.Context(), false); exitcode.Of(err) != int(exitcode.InUse) {
		t.Errorf("a mount with an open file: %v", err)
	}
	if err := m.Unmount(t.Context(), true); err != nil {
		t.Errorf("lazily: %v", err)
	}
	if err := m.Unmount(t.Context(), false); err == nil {
		t.Error("unmounted twice")
	}
}

// TestUnmountHitsOnlyItsOwn: what was mounted over it stays.
func TestUnmountHitsOnlyItsOwn(t *testing.T) {
	needRoot(t)
	s := fusetest.Start(t)
	m := found(t, s.Point)
	if err := unix.Mount("over", s.Point, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	if err := m.Unmount(t.Context(), false); exitcode.Of(err) != int(exitcode.InUse) {
		t.Errorf("unmounting what lies below: %v", err)
	}
	if err := unix.Unmount(s.Point, 0); err != nil {
		t.Errorf("the tmpfs is gone: %v", err)
	}
}

func TestWaitGone(t *testing.T) {
	s := fusetest.Start(t)
	m := found(t, s.Point)
	ctx, cancel := context.WithTimeout(t.Context(), 2*pollTime*time.Millisecond)
	defer cancel()
	if err := m.WaitGone(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("a mount that stays: %v", err)
	}
	gone := make(chan error, 1)
	go func() { gone <- m.WaitGone(t.Context()) }()
	if err := m.unmount(t.Context(), true); err != nil { // lazily: nothing can be in its way
		t.Fatal(err)
	}
	if err := <-gone; err != nil {
		t.Error(err)
	}
}
