package config

import "bytes"

// Differences names the keys of a target that two have different values of, as the file
// writes them: luns, session.queue_depth, chap. What is below chap is not told apart.
func (t *Target) Differences(other *Target) []string {
	list := targetKeys().differences("", &targetDraft{Target: *t}, &targetDraft{Target: *other})
	if !t.CHAP.equal(other.CHAP) {
		list = append(list, "chap")
	}
	list = append(list, sessionKeys().differences("session.", &t.Session, &other.Session)...)
	return append(list, targetCacheKeys().differences("cache.", cacheShown(0, t.Cache), cacheShown(0, other.Cache))...)
}

// Differences names the keys that two files have different values of, but for what is in
// their targets and discoveries, or is the default of a target's.
func (c *Config) Differences(other *Config) []string {
	list := initiatorKeys().differences("initiator.", &c.Initiator, &other.Initiator)
	if c.Cache.Size != other.Cache.Size {
		list = append(list, "cache.size")
	}
	list = append(list, mountKeys().differences("mount.", &c.Mount, &other.Mount)...)
	list = append(list, logKeys().differences("log.", &c.Log, &other.Log)...)
	return append(list, metricsKeys().differences("metrics.", &c.Metrics, &other.Metrics)...)
}

// differences names the keys of a table whose values are written differently.
func (s section[T]) differences(prefix string, a, b *T) (list []string) {
	for _, k := range s {
		if k.write != nil && k.write(a) != k.write(b) {
			list = append(list, prefix+k.name)
		}
	}
	return list
}

// equal compares also what is secret.
func (c *CHAP) equal(other *CHAP) bool {
	if c == nil || other == nil {
		return c == other
	}
	return c.Username == other.Username && c.MutualUsername == other.MutualUsername &&
		bytes.Equal(c.Password.Reveal(), other.Password.Reveal()) &&
		bytes.Equal(c.MutualPassword.Reveal(), other.MutualPassword.Reveal())
}
