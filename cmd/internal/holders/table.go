package holders

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"

	"github.com/iscsifs/iscsifs/cmd/internal/mounts"
	"github.com/iscsifs/iscsifs/cmd/internal/plain"
)

// mountTable is the mountinfo of one mount namespace.
type mountTable []*mountinfo.Info

// mountTable reads that of a process.
func (s System) mountTable(process string) (mountTable, error) {
	f, err := os.Open(s.path("proc", process, "mountinfo"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return mountinfo.GetMountsFromReader(f, nil)
}

// of returns the mounts of one file system, bind mounts of its files included.
func (t mountTable) of(m mounts.Mount) mountTable {
	var list mountTable
	for _, info := range t {
		if info.Major == m.Major && info.Minor == m.Minor {
			list = append(list, info)
		}
	}
	return list
}

// byID returns the mount with the id, or nil.
func (t mountTable) byID(id int) *mountinfo.Info {
	for _, info := range t {
		if info.ID == id {
			return info
		}
	}
	return nil
}

// leading returns the mount in which a path lies, or nil: the last one on the longest
// mountpoint.
func (t mountTable) leading(path string) *mountinfo.Info {
	var best *mountinfo.Info
	for _, info := range t {
		if _, below := cutDir(path, info.Mountpoint); below && (best == nil || len(info.Mountpoint) >= len(best.Mountpoint)) {
			best = info
		}
	}
	return best
}

// deviceKey is a device number as the memory map of a process shows it.
func deviceKey(major, minor int) string { return fmt.Sprintf("%02x:%02x", major, minor) }

// translate turns a path seen through a mount of the file system, a bind mount
// perhaps, into the path below the mountpoint; false if it is not below that mount.
func (f *finder) translate(path string, through *mountinfo.Info) (string, bool) {
	rest, below := cutDir(path, through.Mountpoint)
	if !below {
		return "", false
	}
	return plain.Text(filepath.Join(f.mount.Point, through.Root, rest)), true
}

// file returns the path below the mountpoint of a path in this mount namespace;
// false if it is not of the file system.
func (f *finder) file(path string) (string, bool) {
	for _, info := range f.table.of(f.mount) {
		if file, ok := f.translate(path, info); ok {
			return file, true
		}
	}
	return "", false
}

// cutDir returns what of a path is below a directory.
func cutDir(path, dir string) (rest string, below bool) {
	rest, below = strings.CutPrefix(path, strings.TrimSuffix(dir, "/"))
	return rest, below && (rest == "" || rest[0] == '/')
}

// mounted finds what is mounted from the mount's files, and over or below its
// mountpoint.
func (f *finder) mounted() {
	for _, info := range f.table {
		point := plain.Text(info.Mountpoint)
		_, below := cutDir(info.Mountpoint, f.mount.Point)
		same := info.Major == f.mount.Major && info.Minor == f.mount.Minor
		switch {
		case info.ID == f.mount.ID:
		case same:
			file := plain.Text(filepath.Join(f.mount.Point, info.Root))
			f.stand(Holder{LUNPath: file, Kind: BindMount, Name: point, Command: "umount " + plain.Quoted(info.Mountpoint)})
		case below:
			f.stand(Holder{LUNPath: f.mount.Point, Kind: Mount, Name: point, Command: "umount " + plain.Quoted(info.Mountpoint)})
		}
	}
}
