package integration

import (
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// attachLoop makes a loop device of a file and returns its name; the test's
// end detaches it.
func (h *host) attachLoop(file string, flags ...string) string {
	h.t.Helper()
	needDevice(h.t, "/dev/loop-control")
	args := append([]string{"--find", "--show"}, flags...)
	device := strings.TrimSpace(h.sh(`losetup "$@"`, append(args, file)...))
	h.t.Cleanup(func() {
		if len(loopsOf(file)) > 0 {
			detachLoop(device)
		}
	})
	return device
}

// detachLoop is losetup -d for the cleanup of a test that failed.
func detachLoop(device string) {
	f, err := os.Open(device)
	if err != nil {
		return
	}
	defer f.Close()
	unix.IoctlSetInt(int(f.Fd()), unix.LOOP_CLR_FD, 0)
}

// mountFS mounts a block device, or a file, with the kernel's file system; the
// test's end unmounts it.
func (h *host) mountFS(source, options string) string {
	h.t.Helper()
	point, err := os.MkdirTemp(h.dir, "fs-")
	if err != nil {
		h.t.Fatal(err)
	}
	h.sh(`mount -o "$1" "$2" "$3"`, options, source, point)
	h.t.Cleanup(func() {
		if len(mountsOf(point)) > 0 {
			unix.Unmount(point, 0)
		}
	})
	return point
}
