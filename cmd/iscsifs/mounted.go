package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
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
	return m, exitcode.With(exitcode.Failed, errors.New("no iscsifs is mounted there; "+elsewhere(resolved)))
}

// elsewhere says where to look instead of at a path that is no mountpoint.
func elsewhere(resolved string) string {
	list, _ := mounts.List() // it was read a moment ago
	for _, m := range list {
		if strings.HasPrefix(resolved, m.Point+"/") {
			return "the mountpoint is " + m.Point
		}
	}
	return "`iscsifs status` lists what is"
}

// call sends a command to the daemon of a mount, and says what failed where that does not
// answer: what it answers says so itself.
func call(ctx context.Context, m mounts.Mount, command control.Command, options, result any, onProgress func(json.RawMessage)) error {
	err := control.Call(ctx, m.Point, m.UserID, command, options, result, onProgress)
	if errors.Is(err, control.ErrNoDaemon) || errors.Is(err, control.ErrSilent) || errors.Is(err, control.ErrNotYours) {
		return fmt.Errorf("%s %w", command, err)
	}
	return err
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
