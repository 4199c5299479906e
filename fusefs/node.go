package fusefs

import (
	"hash/fnv"
	"path"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// node is a directory, a LUN file or a symbolic link; which one, its non-nil
// field tells. All fields but the entries of children are fixed when the node
// enters the tree.
type node struct {
	id       uint64
	path     string // from the mountpoint on, without a leading slash; "" = the root
	parent   *node  // nil for the root
	children map[string]*node
	file     *file
	target   string // of a symbolic link
}

// file is the LUN behind a node. It outlives the node where a removed LUN is
// still open.
type file struct {
	lun    LUN
	xattrs func() map[string]string // nil = none
	path   string
	waits  waitList // the requests in flight
}

// name is the last part of the path.
func (n *node) name() string { return path.Base(n.path) }

const rootID = fuse.FUSE_ROOT_ID

// nodeID derives the id of a path. It is a hash, so that a successor of this
// process finds the same; salt counts collisions. Of the 64 bits the highest is
// left out, for ids are also the cookies of telldir(3), which are signed; and
// the lowest ids are taken by the root, "." and "..".
func nodeID(path string, salt int) uint64 {
	h := fnv.New64a()
	h.Write([]byte(path))
	for range salt {
		h.Write([]byte{0})
	}
	const lowest = 16
	return max(h.Sum64()&^(1<<63), lowest)
}
