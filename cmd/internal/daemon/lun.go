package daemon

import (
	"path"
	"strconv"
	"sync"

	"github.com/iscsifs/iscsifs/cache"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// lun is a LUN that is a file, or a further path to one that is. What it holds
// does not change once it is attached, but for what mu guards.
type lun struct {
	target *target
	number uint64
	opened *socket // with what the session opened
	disk   disk    // the same, with what forbids to write it
	gate   *gate   // of disk; nil = none is needed
	portal string  // "host:port" that it was opened through
	name   string
	shown  bool   // its file has been put into the tree
	links  []link // in by-id and by-path, and a further path's own name
	first  *lun   // the LUN whose file this is another path to; nil = it has a file
	volume *cache.Volume
	// reserved is for who has the right to change the set of LUNs: the LUN is kept, and
	// was this host's alone until then.
	reserved bool

	following sync.Mutex // of follow; guards told; before mu
	told      facts      // what the log has been told last

	mu       sync.Mutex
	let      func() // gives up the guard; nil = none is held
	shrunkTo int64  // the capacity that was not accepted; 0 = none
	stale    bool   // others may have written what is in memory, and it is not forgotten yet
}

// link is a symbolic link in the tree.
type link struct{ dir, name string }

// path is the LUN's file or link, from the mountpoint on.
func (l *lun) path() string { return path.Join(l.target.cfg().Directory, l.name) }

// where names the LUN in messages.
func (l *lun) where() string {
	return "LUN " + strconv.FormatUint(l.number, 10) + " of " + l.target.cfg().IQN + " at " + l.portal
}

// size is the length of its file.
func (l *lun) size() int64 {
	if v := l.data(); v != nil {
		return v.Size()
	}
	return l.disk.Size()
}

// data is the volume of the LUN's logical unit; nil before it is attached.
func (l *lun) data() *cache.Volume {
	if l.first != nil {
		return l.first.volume
	}
	return l.volume
}

// xattrs are the extended attributes of the LUN's file.
func (l *lun) xattrs() map[string]string {
	info := l.disk.Info()
	attrs := map[string]string{
		"target":     l.target.cfg().IQN,
		"portal":     l.portal,
		"lun":        strconv.FormatUint(l.number, 10),
		"vendor":     info.Inquiry.Vendor,
		"product":    info.Inquiry.Product,
		"revision":   info.Inquiry.Revision,
		"serial":     info.Serial,
		"block_size": strconv.Itoa(l.disk.BlockSize()),
	}
	if naa := naaName(info); naa != "" {
		attrs["naa"] = naa
	}
	return attrs
}

// naaName is the unit's NAA designator in hexadecimal; "" if it has none.
func naaName(info initiator.DiskInfo) string {
	best, ok := scsi.BestDesignator(info.Designators)
	if _, isNAA := best.NAA(); !ok || !isNAA {
		return ""
	}
	return best.UdevName(info.Inquiry.Vendor, info.Inquiry.Product)[len("3"):]
}

// sameUnit tells whether two LUNs lead to one logical unit: the same designator,
// unique in the world, and nothing else that differs. The capacity is not compared: of
// a unit that has grown, the one path may know before the other.
func sameUnit(a, b initiator.DiskInfo) bool {
	if a.UdevID == "" || a.UdevID != b.UdevID { // tells most apart, of a thousand
		return false
	}
	best, ok := scsi.BestDesignator(a.Designators)
	return ok && best.WorldWideUnique() && a.Serial == b.Serial &&
		a.Inquiry.Vendor == b.Inquiry.Vendor && a.Inquiry.Product == b.Inquiry.Product &&
		a.Capacity.BlockSize == b.Capacity.BlockSize
}
