package fusefs

import "github.com/hanwen/go-fuse/v2/fuse"

const (
	minStatfsBlock = 4096
	maxStatfsBlock = 1 << 30
)

// statfsBlock is f_bsize. Loop devices discard in units of the f_bsize of their
// file: smaller ones would free nothing, and have the rest of a unit overwritten
// with zeroes. The block layer wants a power of two.
func statfsBlock(lun LUN) uint32 {
	block := max(minStatfsBlock, lun.BlockSize())
	if g := lun.UnmapGranularity(); g > block && g <= maxStatfsBlock && g&(g-1) == 0 {
		block = g
	}
	return uint32(block)
}

// StatFs reports of a LUN file its own size, of all else that of all LUNs.
// Nothing is ever free.
func (f *raw) StatFs(_ <-chan struct{}, in *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	f.mu.RLock()
	defer f.mu.RUnlock()
	n := f.nodes[in.NodeId]
	if n == nil {
		return errStale
	}
	out.Bsize = minStatfsBlock
	bytes := int64(0)
	if n.file != nil {
		out.Bsize = statfsBlock(n.file.lun)
		bytes = n.file.lun.Size()
	} else {
		bytes = f.totalSize()
	}
	out.Frsize = out.Bsize
	out.Blocks = max(1, uint64(bytes)/uint64(out.Bsize)) // df leaves out what has none
	out.Files = uint64(len(f.nodes))
	out.NameLen = longestName
	return fuse.OK
}

// totalSize is the size of all LUNs. f.mu is held, if only for reading.
func (f *FS) totalSize() int64 {
	sum := int64(0)
	for _, n := range f.nodes {
		if n.file != nil {
			sum += n.file.lun.Size()
		}
	}
	return sum
}
