package daemon

import (
	"context"

	"github.com/iscsifs/iscsifs/cache"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// session is what the daemon needs of an [initiator.Session], which survives the
// loss of its connection by itself, or of [initiator.Paths].
type session interface {
	LUNs(ctx context.Context) ([]scsi.LUN, error)
	OpenDisk(ctx context.Context, lun scsi.LUN) (disk, error)
	Logout(ctx context.Context) error
	Status() initiator.SessionStatus
}

// disk is what the daemon needs of an [initiator.Disk] or [initiator.Unit].
type disk interface {
	cache.Device
	Info() initiator.DiskInfo
	Status() initiator.DiskStatus
	Refresh(ctx context.Context) error
	Reset(ctx context.Context) error
	AcceptCapacity(ctx context.Context) error
	Reserve(ctx context.Context, key, preempt uint64) error
	Release(ctx context.Context) error
	Reservation() initiator.Reservation
	Close() error
}

// loginFunc opens the sessions of a target, one for each configuration, and returns
// them as one: several says whether there can be more than one in its life.
type loginFunc func(ctx context.Context, cfgs []initiator.Config, several bool) (session, error)

// pathSession is a session whose paths can come and go; each is named by its portal.
type pathSession interface {
	Add(ctx context.Context, cfgs []initiator.Config) error
	Remove(ctx context.Context, portal string) error
}

// adjustable is a session whose credentials and timeouts can change while it lives.
type adjustable interface {
	Adjust(cfg initiator.Config)
}

// login opens a single session.
func login(ctx context.Context, cfg initiator.Config) (session, error) {
	s, err := initiator.Login(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return realSession{s}, nil
}

// realSession is an initiator.Session whose disks come as the interface.
type realSession struct{ *initiator.Session }

func (s realSession) OpenDisk(ctx context.Context, lun scsi.LUN) (disk, error) {
	d, err := s.Session.OpenDisk(ctx, lun)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// readOnlyDisk is a disk that the configuration forbids to write.
type readOnlyDisk struct{ disk }

func (readOnlyDisk) ReadOnly() bool { return true }
