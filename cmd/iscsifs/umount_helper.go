package main

import (
	"context"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/mounts"
)

// umountHelper is what umount(8) calls for the type fuse.iscsifs:
//
//	umount.fuse.iscsifs DIR [-f -l -n -r -v] [-N ns] [-t type]
//
// umount(8) may give the configuration, which is the source, instead of DIR.
func (p *program) umountHelper(ctx context.Context, args []string) error {
	flags := helperFlags("umount.fuse.iscsifs")
	force := flags.BoolP("force", "f", false, "cut the holders off")
	lazy := flags.BoolP("lazy", "l", false, "detach the name")
	flags.BoolP("read-only", "r", false, "ignored: a LUN in use stays as it is")
	args, err := parseHelper(flags, args, "DIR", 1)
	if err != nil {
		return err
	}
	return p.umount(ctx, pointOf(args[0]), control.UmountOptions{Force: *force, Lazy: *lazy && !*force})
}

// pointOf is the mountpoint of a source, or what was given if it is none.
func pointOf(name string) string {
	if _, found, err := mounts.Find(name); found || err != nil {
		return name
	}
	list, err := mounts.List()
	if err != nil {
		return name
	}
	for _, m := range list {
		if m.Source == name {
			return m.Point
		}
	}
	return name
}
