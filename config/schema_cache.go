package config

import "time"

// cacheDraft is a cache's settings while dirty_limit may be a part of a size
// that is not known yet.
type cacheDraft struct {
	TargetCache
	size  int64 // of the file's [cache], also in a target
	limit share
}

// cacheKeys is the file's [cache].
func cacheKeys() section[cacheDraft] {
	const least = 1 << 20
	return append(section[cacheDraft]{
		field("size", size(least), `"256MiB"`, func(c *cacheDraft) *int64 { return &c.size },
			"Memory for the data of all LUNs together."),
	}, targetCacheKeys()...)
}

// targetCacheKeys is [target.cache].
func targetCacheKeys() section[cacheDraft] {
	return section[cacheDraft]{
		field("mode", enum(Writeback, Writethrough, None), `"writeback"`, func(c *cacheDraft) *CacheMode { return &c.Mode },
			"Whether a write is answered when it is cached (fsync still waits for the target) or when the target has it; \"none\" caches nothing."),
		field("dirty_limit", percentage(), `"50%"`, func(c *cacheDraft) *share { return &c.limit },
			"How much may be cached that the target does not have yet, as a part of size or a size; writers wait above it."),
		field("flush_interval", duration(time.Millisecond), `"5s"`, func(c *cacheDraft) *time.Duration { return &c.FlushInterval },
			"Write-back of a byte starts no later than this after it was written."),
		field("readahead", size(0), `"8MiB"`, func(c *cacheDraft) *int64 { return &c.ReadAhead },
			"Most that is read ahead of one sequential reader; \"0\" turns it off."),
		field("max_age", timeout(), `"never"`, func(c *cacheDraft) *Timeout { return &c.MaxAge },
			"Clean data older than this is fetched again, for LUNs that another host writes."),
		field("late_writes", enum(Hold, Write), `"hold"`, func(c *cacheDraft) *LateWrites { return &c.LateWrites },
			"What becomes of data that could not be written within replacement_timeout when the target is back: \"hold\" keeps it until iscsifs sync, as another host may own the LUN by now; \"write\" writes it. With exclusive, what is proven to be still ours is written."),
	}
}

// check judges a cache table as a whole.
func (c *cacheDraft) check(n node) {
	if n.has("dirty_limit") && c.limit.of(c.size) > c.size {
		n.child("dirty_limit").fault("%s is more than the cache's size, %s", formatSize(c.limit.bytes), formatSize(c.size))
	}
}

// resolve returns the settings in effect.
func (c *cacheDraft) resolve() TargetCache {
	r := c.TargetCache
	r.DirtyLimit = min(c.limit.of(c.size), c.size)
	return r
}
