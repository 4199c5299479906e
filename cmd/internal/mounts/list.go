package mounts

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/moby/sys/mountinfo"
)

// Type is the file system type of a mount of iscsifs.
const Type = "fuse.iscsifs"

// Mount is one mount of iscsifs, as /proc/self/mountinfo tells.
type Mount struct {
	ID         int    // of the mount in this mount namespace
	Point      string // absolute
	Source     string // the configuration's absolute path
	Major      int    // of the device number of the file system
	Minor      int
	UserID     int // who mounted it: the daemon's user
	GroupID    int
	ReadOnly   bool
	AllowOther bool // other users may use the files
}

// List returns the mounts of iscsifs of this mount namespace, of all users, in the
// order in which they were made. Bind mounts of one or of its files are left out.
func List() ([]Mount, error) {
	infos, err := all()
	if err != nil {
		return nil, err
	}
	var list []Mount
	devices := map[[2]int]bool{}
	for _, info := range infos {
		device := [2]int{info.Major, info.Minor}
		if info.Root == "/" && !devices[device] {
			devices[device] = true
			list = append(list, fromInfo(info))
		}
	}
	return list, nil
}

// all returns all mounts of the type, bind mounts included.
func all() ([]*mountinfo.Info, error) {
	infos, err := mountinfo.GetMounts(mountinfo.FSTypeFilter(Type))
	if err != nil {
		return nil, fmt.Errorf("cannot read the list of mounts, /proc/self/mountinfo: %w", err)
	}
	return infos, nil
}

// Find returns the mount of iscsifs on a mountpoint given as a user gives it,
// the uppermost where several lie on each other, and whether there is one.
func Find(point string) (Mount, bool, error) {
	point, err := Resolve(point)
	if err != nil {
		return Mount{}, false, err
	}
	list, err := List()
	if err != nil {
		return Mount{}, false, err
	}
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].Point == point {
			return list[i], true, nil
		}
	}
	return Mount{}, false, nil
}

func fromInfo(info *mountinfo.Info) Mount {
	m := Mount{
		ID:     info.ID,
		Point:  info.Mountpoint,
		Source: info.Source,
		Major:  info.Major,
		Minor:  info.Minor,
	}
	for option := range strings.SplitSeq(info.Options+","+info.VFSOptions, ",") {
		key, value, _ := strings.Cut(option, "=")
		switch key {
		case "ro":
			m.ReadOnly = true
		case "allow_other":
			m.AllowOther = true
		case "user_id":
			m.UserID, _ = strconv.Atoi(value)
		case "group_id":
			m.GroupID, _ = strconv.Atoi(value)
		}
	}
	return m
}
