package fusefs

import (
	"sync"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// readResult hands a LUN's slices to the kernel as they are. go-fuse writes
// them with one writev(2) and calls Done after it, once.
type readResult struct {
	lun   LUN
	size  int
	vec   [][]byte
	array [4][]byte // backs vec while it is short
}

var readResults = sync.Pool{New: func() any { return new(readResult) }}

// Slices returns what is to be sent. It has the name and the type that go-fuse
// looks for to send a result without a copy.
func (r *readResult) Slices() ([][]byte, fuse.Status) { return r.vec, fuse.OK }

// Size implements [fuse.ReadResult].
func (r *readResult) Size() int { return r.size }

// Bytes implements [fuse.ReadResult]. go-fuse calls it where it cannot use
// Slices.
func (r *readResult) Bytes(buf []byte) ([]byte, fuse.Status) {
	buf = buf[:0]
	for _, slice := range r.vec {
		buf = append(buf, slice...)
	}
	return buf, fuse.OK
}

// Done implements [fuse.ReadResult].
func (r *readResult) Done() {
	r.lun.Release(r.vec)
	*r = readResult{}
	readResults.Put(r)
}

func (f *raw) Read(cancel <-chan struct{}, in *fuse.ReadIn, _ []byte) (fuse.ReadResult, fuse.Status) {
	h := f.handles.get(in.Fh)
	if h == nil {
		return nil, fuse.EBADF
	}
	r := f.begin(h, cancel, &in.InHeader)
	if r == nil {
		return nil, fuse.EIO
	}
	defer r.finish()
	result := readResults.Get().(*readResult)
	result.lun = h.file.lun
	vec, err := result.lun.Read(r, int64(in.Offset), int(in.Size), result.array[:0])
	if err != nil {
		readResults.Put(result)
		return nil, f.status(r, "read", err)
	}
	result.vec = vec
	for _, slice := range vec {
		result.size += len(slice)
	}
	if result.size == 0 { // go-fuse forgets to call Done then
		result.Done()
		return fuse.ReadResultData(nil), fuse.OK
	}
	return result, fuse.OK
}

// Writev makes go-fuse call Write: what comes from the kernel is in one piece.
func (f *raw) Writev(<-chan struct{}, *fuse.WriteIn, [][]byte) (uint32, fuse.Status) {
	return 0, fuse.ENOSYS
}

func (f *raw) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	h := f.handles.get(in.Fh)
	if h == nil {
		return 0, fuse.EBADF
	}
	if int64(in.Offset) >= h.file.lun.Size() {
		return 0, fuse.Status(syscall.ENOSPC)
	}
	r := f.begin(h, cancel, &in.InHeader)
	if r == nil {
		return 0, fuse.EIO
	}
	defer r.finish()
	n, err := h.write(r, in, data)
	if n > 0 && !h.cut.Load() {
		return uint32(n), fuse.OK
	}
	return 0, f.status(r, "write", err)
}

// write writes data and, where the caller asked for it with O_SYNC, O_DSYNC or
// RWF_DSYNC, makes it durable: no FSYNC follows such a write. Of a write that
// reaches past the end, what fits is written; the rest is for the next write to
// fail with.
func (h *handle) write(ctx *request, in *fuse.WriteIn, data []byte) (int, error) {
	off := int64(in.Offset)
	if h.gap != nil && in.WriteFlags&fuse.WRITE_CACHE == 0 {
		if err := h.gap.advance(ctx, h.file.lun, off, off+int64(len(data))); err != nil {
			return 0, err
		}
	}
	n, err := h.file.lun.WriteAt(ctx, data, off)
	if n == 0 || in.Flags&syscall.O_DSYNC == 0 {
		return n, err
	}
	if err := h.sync(ctx); err != nil {
		return 0, err
	}
	return n, nil
}

func (f *raw) Fsync(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	h := f.handles.get(in.Fh)
	if h == nil {
		return fuse.EBADF
	}
	return f.do(h, cancel, &in.InHeader, "fsync", h.sync)
}

// do runs a request on h that is not a read or write.
func (f *FS) do(h *handle, cancel <-chan struct{}, in *fuse.InHeader, op string, run func(*request) error) fuse.Status {
	r := f.begin(h, cancel, in)
	if r == nil {
		return fuse.EIO
	}
	defer r.finish()
	return f.status(r, op, run(r))
}
