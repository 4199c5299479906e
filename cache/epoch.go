package cache

// deviceEpoch is the Device's epoch. That a disk has shrunk counts as a change of it
// where it lost what was not synchronized.
func (v *Volume) deviceEpoch() uint64 { return v.dev.Epoch() + v.cap.losses }

// observe looks at the Device's epoch. If it is not that of what was written,
// the target may have lost all of that: it is dirty again, and what was erased is owed.
// (NFS has its write verifier for this, RFC 1813 section 3.3.21.)
func (v *Volume) observe() {
	epoch := v.deviceEpoch()
	if epoch == v.epoch || v.ended {
		return
	}
	v.epoch = epoch
	v.sync.changes++
	v.erased.lost()
	for id := v.flush.written.head; id != 0; id = v.flush.written.head {
		v.cache.become(id, dirty, v.flush.open())
	}
}
