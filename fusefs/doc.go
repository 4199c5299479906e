// Package fusefs presents LUNs as files: a directory with a file for each LUN,
// directories for the LUNs of one target, and symbolic links to both. It knows
// nothing of iSCSI; a file is whatever meets [LUN].
//
// Build the tree with [New], [FS.AddLUN] and [FS.AddLink], before or after
// [Mount] has made it visible. Node ids follow from the names alone, so that
// another process that builds the same tree can serve the same mount.
package fusefs
