package fusefs

import (
	"cmp"
	"hash/fnv"
	"path"
	"slices"

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
	order    []*node // the children by their ids, as READDIR lists them
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

// adopt puts a child into a directory.
func (n *node) adopt(child *node) {
	n.children[child.name()] = child
	i, _ := n.place(child.id)
	n.order = slices.Insert(n.order, i, child)
}

// disown takes a child out of a directory.
func (n *node) disown(child *node) {
	delete(n.children, child.name())
	i, _ := n.place(child.id)
	n.order = slices.Delete(n.order, i, i+1)
}

// after are the children whose ids are above id, by their ids.
func (n *node) after(id uint64) []*node {
	i, there := n.place(id)
	if there {
		i++
	}
	return n.order[i:]
}

// place is where in order a child of this id stands, or would.
func (n *node) place(id uint64) (i int, there bool) {
	return slices.BinarySearchFunc(n.order, id, func(child *node, id uint64) int { return cmp.Compare(child.id, id) })
}

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
