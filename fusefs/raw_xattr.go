package fusefs

import (
	"maps"
	"slices"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// XattrPrefix starts the names of the extended attributes of LUN files.
const XattrPrefix = "user.iscsi."

func (f *raw) GetXAttr(_ <-chan struct{}, in *fuse.InHeader, attr string, dest []byte) (uint32, fuse.Status) {
	// The kernel asks for security.* and system.* all the time.
	name, ours := strings.CutPrefix(attr, XattrPrefix)
	if !ours {
		return 0, fuse.ENODATA
	}
	value, ok := f.xattrs(in.NodeId)[name]
	if !ok {
		return 0, fuse.ENODATA
	}
	return fill(dest, value)
}

func (f *raw) ListXAttr(_ <-chan struct{}, in *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	var list strings.Builder
	for _, name := range slices.Sorted(maps.Keys(f.xattrs(in.NodeId))) {
		list.WriteString(XattrPrefix + name + "\x00")
	}
	return fill(dest, list.String())
}

// fill copies value to dest. Where it does not fit, the answer is ERANGE and its
// length; go-fuse makes of that what a caller needs who asked for the length.
func fill(dest []byte, value string) (uint32, fuse.Status) {
	if len(value) > len(dest) {
		return uint32(len(value)), fuse.ERANGE
	}
	return uint32(copy(dest, value)), fuse.OK
}

// xattrs returns the extended attributes of a node.
func (f *FS) xattrs(id uint64) map[string]string {
	n := f.node(id)
	if n == nil || n.file == nil || n.file.xattrs == nil {
		return nil
	}
	return n.file.xattrs()
}

func (f *raw) SetXAttr(_ <-chan struct{}, _ *fuse.SetXAttrIn, attr string, _ []byte) fuse.Status {
	return f.refuseXattr(attr)
}

func (f *raw) RemoveXAttr(_ <-chan struct{}, _ *fuse.InHeader, attr string) fuse.Status {
	return f.refuseXattr(attr)
}

func (f *FS) refuseXattr(attr string) fuse.Status {
	if strings.HasPrefix(attr, XattrPrefix) {
		return f.refusal()
	}
	return fuse.ENOTSUP
}
