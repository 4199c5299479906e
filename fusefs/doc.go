// Package fusefs presents LUNs as files: a directory with a file for each LUN,
// directories for the LUNs of one target, and symbolic links to both. It knows
// nothing of iSCSI; a file is whatever meets [LUN].
//
// Build the tree with [New], [FS.AddLUN] and [FS.AddLink], before or after
// [Mount] has made it visible. Node ids follow from the names alone, so that
// another process that builds the same tree can serve the same mount.
//
//	fs.go node.go tree.go lun.go      the tree, and what a file of it presents
//	mount.go settings.go allowother.go  mounting it
//	raw.go                            the face to go-fuse; by system call:
//	  raw_open.go raw_data.go raw_space.go  open, release; read, write, fsync; fallocate, lseek
//	  raw_attr.go raw_dir.go raw_xattr.go raw_statfs.go  what there is to be told
//	  raw_refused.go                  what is not allowed on disks
//	handle.go gap.go openfiles.go     an open file; what O_TRUNC promises; who has which
//	request.go process.go sweeper.go  requests that wait, and callers that are killed
//	attr.go errno.go log.go           answers, error numbers, go-fuse's own words
package fusefs
