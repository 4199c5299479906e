// Package cache stands between a disk and the file that presents it: a
// [Volume] turns reads and writes of any offset and length into commands of
// whole blocks for a [Device], keeps the order of writes to one block, and
// knows what the target has not yet synchronized to its medium.
//
// A Volume writes through: WriteAt returns when the target has answered GOOD.
// What is written may still be in the target's volatile cache; [Volume.Sync]
// makes it durable.
package cache
