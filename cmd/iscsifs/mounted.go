package main

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/guard"
	"github.com/iscsifs/iscsifs/cmd/internal/mounts"
)

// mountOn returns the mount on a mountpoint. One that is detached but still served
// is found by its daemon.
func (p *program) mountOn(ctx context.Context, point string) (mounts.Mount, error) {
	m, found, err := mounts.Find(point)
	if err != nil || found {
		return m, withoutPath(err)
	}
	resolved, err := mounts.Resolve(point)
	if err != nil {
		return m, withoutPath(err)
	}
	if by, ok := guard.ServedBy(ctx, resolved); ok {
		return mounts.Mount{Point: resolved, UserID: by.UID}, nil
	}
	return m, exitcode.With(exitcode.Failed, errors.New("no iscsifs is mounted there; `iscsifs status` lists what is"))
}

// withoutPath says of a mountpoint that is not there just that, where the message names it.
func withoutPath(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return exitcode.With(exitcode.Failed, errors.New("there is no such directory"))
	}
	return err
}

// ownMounts are the mounts that this user may ask: all of them for root, each file
// system once however often it is bound.
func ownMounts() ([]mounts.Mount, error) {
	all, err := mounts.List()
	if err != nil {
		return nil, err
	}
	var own []mounts.Mount
	seen := map[[2]int]bool{}
	for _, m := range all {
		device := [2]int{m.Major, m.Minor}
		if seen[device] || os.Geteuid() != 0 && m.UserID != os.Geteuid() {
			continue
		}
		seen[device] = true
		own = append(own, m)
	}
	return own, nil
}
