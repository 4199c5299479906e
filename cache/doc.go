// Package cache stands between disks and the files that present them. A [Cache]
// is one bounded piece of memory; each disk has a [Volume] on it, which answers
// reads from memory, reads ahead of sequential readers, gathers writes to few
// large commands, and knows what the target has not yet synchronized to its
// medium.
//
// # Memory
//
// The memory is given out in frames of 4 KiB and lies outside of the Go heap, in
// a memfd that describes itself (layout.go), so that another process can take it
// over with what is dirty in it. What describes a frame has no pointers; nothing
// is allocated where a read or a write finds its blocks.
//
// # Reads
//
// [Volume.Read] hands out the frames themselves, pinned until [Volume.Release].
// A frame that is pinned, by a reader or by a command that carries it, is never
// modified: a writer takes a fresh one, and the old one is freed at its last
// unpin. What is missing is fetched by the reader itself, straight into frames;
// others who want the same blocks wait for it (fetch.go). Sequential readers are
// told apart and read ahead of (streams.go, readahead.go). What is read once does
// not drive out what is read often (evict.go).
//
// # Writes
//
// A block is dirty, written (the target answered GOOD, but may lose it yet), or
// clean; frame.go draws how it goes from one to the other. Dirty blocks are
// written back by age, by amount, and for [Volume.Sync] (writeback.go), joined
// with their neighbours to large aligned commands (command.go), and never is a
// block in two of them. When [Device.Epoch] changes, what was written is dirty
// again (epoch.go). A write is durable when a SYNCHRONIZE CACHE that began after the
// write was answered has succeeded in the same epoch; Sync orders all this by generations
// (flush.go, sync.go, synchronize.go).
//
// Ranges are zeroed and deallocated by the Device itself, in order with all that by
// barriers (erase.go, barrier.go). They are remembered until they are synchronized, and
// done again where the epoch has changed (erased.go); no frame is taken for them.
// [Volume.Allocation] finds holes (allocation.go).
//
// What a write covers of a block is valid without the rest: nothing is read
// first, but where a logical block is written in part (part.go).
//
// # Capacity
//
// The Device may grow and shrink at any time (resize.go). What it has no place for any
// more is kept, and nothing is written back, until that is given up.
//
// # Fairness
//
// Writers of a disk are slowed evenly to the rate at which it takes the data
// (pace.go). What readers, writers and reading ahead of one disk may take of the
// memory is bounded, so that a disk that does not answer leaves the others what
// they need.
//
// # Files
//
// Besides those named above:
//
//	cache.go volume.go tune.go    the Cache, a Volume, and their settings
//	device.go errors.go           what is below it, and what fails
//	index.go list.go chunks.go    finding and queueing frames
//	become.go                     the one place that changes the state of a frame
//	read.go write.go through.go   the ways of data
//	forget.go distrust.go         dropping what is in memory; late.go, what is held back
//	line.go                       callers that wait one after the other
//	arena_memfd.go arena_race.go lock.go  the memory itself
//	stats.go histogram.go measured.go  what is told of it; time is taken at the Device, so
//	                              that what memory answers costs nothing
//
// # Locking
//
// There is one lock, Cache.mu. It is never held while a Device works or somebody
// waits, so it needs no order with others; but [Device.Epoch], Size and the other
// methods that only tell something are called under it.
package cache
