package integration

import (
	"os"
	"os/user"
	"strconv"
	"syscall"
	"testing"
)

// unprivileged is a user with no rights: nobody.
type unprivileged struct{ uid, gid int }

func (u *unprivileged) credential() *syscall.Credential {
	return &syscall.Credential{Uid: uint32(u.uid), Gid: uint32(u.gid)}
}

// newUserHost is a host whose commands run as nobody, who may open /dev/fuse
// for the time of the test, as udev lets everyone (mode 0666).
func newUserHost(t *testing.T) *host {
	t.Helper()
	needRoot(t)
	needTools(t, "fusermount3")
	needDevice(t, "/dev/fuse")
	h := newHost(t)
	h.user = nobody(t)
	h.own(h.path("home"))
	openDevFuse(t)
	return h
}

func nobody(t *testing.T) *unprivileged {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		skip(t, "needs the user nobody")
	}
	uid, _ := strconv.Atoi(u.Uid)
	gid, _ := strconv.Atoi(u.Gid)
	return &unprivileged{uid, gid}
}

func openDevFuse(t *testing.T) {
	t.Helper()
	info, err := os.Stat("/dev/fuse")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod("/dev/fuse", 0o666); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod("/dev/fuse", info.Mode().Perm()) })
}
