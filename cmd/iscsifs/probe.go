package main

import (
	"context"
	"errors"

	"github.com/iscsifs/iscsifs/cmd/internal/daemon"
	"github.com/iscsifs/iscsifs/cmd/internal/identity"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// probedLUN is a disk that a look at a target found, as --json prints it.
type probedLUN struct {
	LUN       uint64 `json:"lun"`
	Size      int64  `json:"size"`
	BlockSize int    `json:"block_size"`
	Vendor    string `json:"vendor"`
	Product   string `json:"product"`
	Serial    string `json:"serial"`
	ID        string `json:"id"`
	ReadOnly  bool   `json:"read_only"`
}

// probeTarget looks at the LUNs of a target that discovery found.
func probeTarget(ctx context.Context, session initiator.Config, t foundTarget) ([]probedLUN, error) {
	session.TargetName = t.IQN
	session.ISID = identity.ProbeISID()
	session.Portals = nil
	for _, p := range t.Portals {
		session.Portals = append(session.Portals, p.Address)
	}
	return probe(ctx, session)
}

// probe logs in, lists the disks with a decimal number, and logs out.
func probe(ctx context.Context, cfg initiator.Config) (found []probedLUN, err error) {
	s, err := initiator.Login(ctx, cfg)
	if err != nil {
		return nil, daemon.Classify(err)
	}
	defer func() { err = errors.Join(err, s.Logout(ctx)) }()
	luns, err := s.LUNs(ctx)
	if err != nil {
		return nil, daemon.Classify(err)
	}
	for _, lun := range luns {
		l, err := probeLUN(ctx, s, lun)
		if errors.Is(err, initiator.ErrNotDisk) {
			continue
		}
		if err != nil {
			return found, daemon.Classify(err)
		}
		found = append(found, l)
	}
	return found, nil
}

func probeLUN(ctx context.Context, s *initiator.Session, lun scsi.LUN) (probedLUN, error) {
	number, ok := lun.Number()
	if !ok {
		return probedLUN{}, initiator.ErrNotDisk
	}
	d, err := s.OpenDisk(ctx, lun)
	if err != nil {
		return probedLUN{}, err
	}
	info := d.Info()
	return probedLUN{
		LUN:       number,
		Size:      d.Size(),
		BlockSize: d.BlockSize(),
		Vendor:    info.Inquiry.Vendor,
		Product:   info.Inquiry.Product,
		Serial:    info.Serial,
		ID:        info.UdevID,
		ReadOnly:  d.ReadOnly(),
	}, nil
}
