package fusefs

import (
	"fmt"
	"path"
	"strings"
	"syscall"
)

// AddLUN puts a file that presents lun into the directory dir, which is one
// plain name and is made if it is not there; "" is the mountpoint itself. The
// file's extended attributes are what xattrs returns at the time, by names
// without [XattrPrefix]; nil = none. The error wraps syscall.EEXIST or syscall.EINVAL.
func (f *FS) AddLUN(dir, name string, lun LUN, xattrs func() map[string]string) error {
	l := &file{lun: lun, xattrs: xattrs, path: path.Join(dir, name)}
	return f.add(dir, name, &node{file: l})
}

// AddLink puts a symbolic link to target, as it is written, into the directory
// dir; dir, name and errors are as for AddLUN.
func (f *FS) AddLink(dir, name, target string) error {
	return f.add(dir, name, &node{target: target})
}

// RemoveLUN takes a LUN file out of the tree and cuts off who has it open; a
// directory that is empty then goes too. The error wraps syscall.ENOENT.
func (f *FS) RemoveLUN(dir, name string) error {
	n, err := f.remove(dir, name, func(n *node) bool { return n.file != nil })
	if err != nil {
		return err
	}
	f.handles.cut(n.file)
	return nil
}

// RemoveIdleLUN is RemoveLUN for a file that nobody has open; while somebody has, the
// error wraps syscall.EBUSY and nothing is changed.
func (f *FS) RemoveIdleLUN(dir, name string) error {
	busy := false
	_, err := f.remove(dir, name, func(n *node) bool {
		busy = n.file != nil && f.handles.has(n.file)
		return n.file != nil && !busy
	})
	if busy {
		return fmt.Errorf("remove %q: %w", path.Join(dir, name), syscall.EBUSY)
	}
	return err
}

// RemoveLink takes a symbolic link out of the tree, likewise.
func (f *FS) RemoveLink(dir, name string) error {
	_, err := f.remove(dir, name, func(n *node) bool { return n.target != "" })
	return err
}

func (f *FS) add(dir, name string, n *node) error {
	if dir != "" && !plain(dir) || !plain(name) {
		return fmt.Errorf("add %q: not a plain name: %w", path.Join(dir, name), syscall.EINVAL)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	parent := f.root
	if dir != "" {
		parent = f.root.children[dir]
	}
	if parent == nil {
		parent = &node{children: map[string]*node{}}
		f.attach(f.root, dir, parent)
	}
	if parent.children == nil || parent.children[name] != nil {
		return fmt.Errorf("add %q: the name is taken: %w", path.Join(dir, name), syscall.EEXIST)
	}
	f.attach(parent, name, n)
	return nil
}

// attach makes n a child of parent. f.mu is held.
func (f *FS) attach(parent *node, name string, n *node) {
	n.parent, n.path = parent, path.Join(parent.path, name)
	for salt := 0; ; salt++ {
		n.id = nodeID(n.path, salt)
		if f.nodes[n.id] == nil {
			break
		}
	}
	parent.adopt(n)
	f.nodes[n.id] = n
}

func (f *FS) remove(dir, name string, kind func(*node) bool) (*node, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.find(path.Join(dir, name))
	if n == nil || !kind(n) {
		return nil, fmt.Errorf("remove %q: %w", path.Join(dir, name), syscall.ENOENT)
	}
	f.detach(n)
	if n.parent != f.root && len(n.parent.children) == 0 {
		f.detach(n.parent)
	}
	return n, nil
}

// detach takes n out of the tree. f.mu is held.
func (f *FS) detach(n *node) {
	n.parent.disown(n)
	delete(f.nodes, n.id)
}

// find returns the node of a path from the mountpoint on, or nil. f.mu is held,
// if only for reading.
func (f *FS) find(p string) *node {
	n := f.root
	for name := range strings.SplitSeq(p, "/") {
		if n = n.children[name]; n == nil {
			return nil
		}
	}
	return n
}

// longestName is NAME_MAX.
const longestName = 255

// plain tells whether name can be an entry of a directory.
func plain(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= longestName &&
		!strings.ContainsAny(name, "/\x00")
}

// Cut makes everything that has the LUN file at path open, and every request
// that waits for it, fail with EIO from now on; files opened later are not
// affected. The error wraps syscall.ENOENT.
func (f *FS) Cut(path string) error {
	f.mu.RLock()
	n := f.find(path)
	f.mu.RUnlock()
	if n == nil || n.file == nil {
		return fmt.Errorf("cut %q: %w", path, syscall.ENOENT)
	}
	f.handles.cut(n.file)
	return nil
}

// CutAll is Cut for every LUN file, also for those that were removed.
func (f *FS) CutAll() { f.handles.cut(nil) }
