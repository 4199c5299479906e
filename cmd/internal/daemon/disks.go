package daemon

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// maxLUNs is how many LUNs a mount serves. Each takes memory, and all that a target can
// report would take more than a mount may. A variable for the tests.
var maxLUNs = 2048

// errTooMany is what a target with more LUNs gets.
func errTooMany(iqn string) error {
	return exitcode.Errorf(exitcode.Failed, "open the LUNs of %s: with them there are more than the %d that a mount serves; list those that you want in `luns`", iqn, maxLUNs)
}

// openDisk is a disk of a session and the number that names its file.
type openDisk struct {
	number uint64
	disk   disk
}

// openDisks opens the disks that the configuration wants: those it lists, else
// every disk that the target reports. Without any there is nothing to mount,
// which is an error too.
func openDisks(ctx context.Context, s session, cfg *config.Target) ([]openDisk, error) {
	reported, err := s.LUNs(ctx)
	if err != nil {
		return nil, err
	}
	numbered := byNumber(reported)
	if cfg.LUNs != nil {
		return openListed(ctx, s, cfg, numbered)
	}
	disks, err := openAll(ctx, s, cfg, numbered)
	if err == nil && len(disks) == 0 {
		err = exitcode.Errorf(exitcode.Failed, "open the LUNs of %s at %s: the target shows this initiator no disk; does it map a LUN to this initiator name?", cfg.IQN, s.Status().Portal)
	}
	return disks, err
}

// byNumber orders the LUNs that have a decimal number, each number once: a
// target may report a unit in two forms. Others can have no file.
func byNumber(reported []scsi.LUN) []numberedLUN {
	var list []numberedLUN
	for _, lun := range reported {
		if n, ok := lun.Number(); ok {
			list = append(list, numberedLUN{n, lun})
		}
	}
	slices.SortStableFunc(list, func(a, b numberedLUN) int { return cmp.Compare(a.number, b.number) })
	return slices.CompactFunc(list, func(a, b numberedLUN) bool { return a.number == b.number })
}

// numberedLUN is a LUN as the target wrote it, and its number.
type numberedLUN struct {
	number uint64
	lun    scsi.LUN
}

// openListed opens the LUNs of the configuration's list, all of which must be
// disks. All that are not are named.
func openListed(ctx context.Context, s session, cfg *config.Target, reported []numberedLUN) ([]openDisk, error) {
	disks, failures := make([]openDisk, len(cfg.LUNs)), make([]error, len(cfg.LUNs))
	_ = together(len(cfg.LUNs), func(i int) error {
		var err error
		disks[i], err = openOne(ctx, s, cfg, uint64(cfg.LUNs[i]), reported)
		failures[i] = Classify(err)
		return nil // the others are to be named too
	})
	return disks, errors.Join(failures...)
}

func openOne(ctx context.Context, s session, cfg *config.Target, number uint64, reported []numberedLUN) (openDisk, error) {
	refuse := func(why string) error {
		return exitcode.Errorf(exitcode.Failed, "open LUN %d of %s at %s: %s, but `luns` in the configuration lists it",
			number, cfg.IQN, s.Status().Portal, why)
	}
	i := slices.IndexFunc(reported, func(n numberedLUN) bool { return n.number == number })
	if i < 0 {
		return openDisk{}, refuse("the target reports no such LUN")
	}
	d, err := s.OpenDisk(ctx, reported[i].lun)
	if errors.Is(err, initiator.ErrNotDisk) {
		return openDisk{}, refuse("it is no disk")
	}
	return openDisk{number, d}, err
}

// openAll opens every disk; what is no disk is passed over.
func openAll(ctx context.Context, s session, cfg *config.Target, reported []numberedLUN) ([]openDisk, error) {
	disks := make([]openDisk, len(reported))
	var opened atomic.Int64
	err := together(len(reported), func(i int) error {
		d, err := s.OpenDisk(ctx, reported[i].lun)
		if errors.Is(err, initiator.ErrNotDisk) {
			return nil
		}
		if err == nil && int(opened.Add(1)) > maxLUNs {
			return errTooMany(cfg.IQN)
		}
		disks[i] = openDisk{reported[i].number, d}
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(disks, func(o openDisk) bool { return o.disk == nil }), nil
}
