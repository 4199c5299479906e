package config

import (
	"fmt"
	"io"
	"strings"
)

// WriteEffective writes the settings in effect as a configuration file: every
// default filled in, every target with the session and cache settings that
// hold for it, every secret masked. Equal configurations are written alike.
// Its error is that of w.
func (c *Config) WriteEffective(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: settings in effect, with defaults; secrets are masked\n", strings.ToValidUTF8(c.Path, "?"))
	initiatorKeys().show(&b, "[initiator]", &c.Initiator)
	sessionKeys().show(&b, "[session]", &c.Session)
	cacheKeys().show(&b, "[cache]", cacheShown(c.Cache.Size, c.Cache.TargetCache))
	mountKeys().show(&b, "[mount]", &c.Mount)
	logKeys().show(&b, "[log]", &c.Log)
	metricsKeys().show(&b, "[metrics]", &c.Metrics)
	for i := range c.Targets {
		c.Targets[i].show(&b)
	}
	for i := range c.Discoveries {
		c.Discoveries[i].show(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteEffective writes the settings in effect for a target, as those of a
// configuration are written. Its error is that of w.
func (t *Target) WriteEffective(w io.Writer) error {
	var b strings.Builder
	t.show(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// show writes one target with all that is below it.
func (t *Target) show(b *strings.Builder) {
	targetKeys().show(b, "[[target]]", &targetDraft{Target: *t})
	t.CHAP.show(b, "[target.chap]")
	sessionKeys().show(b, "[target.session]", &t.Session)
	targetCacheKeys().show(b, "[target.cache]", cacheShown(0, t.Cache))
}

// show writes one discovery with all that is below it.
func (d *Discovery) show(b *strings.Builder) {
	discoveryKeys().show(b, "[[discovery]]", &discoveryDraft{Discovery: *d})
	d.CHAP.show(b, "[discovery.chap]")
	d.TargetCHAP.show(b, "[discovery.target_chap]")
}

// show writes credentials, if there are any.
func (c *CHAP) show(b *strings.Builder, header string) {
	if c != nil {
		chapKeys().show(b, header, &chapDraft{CHAP: *c})
	}
}

// cacheShown is what the keys of a cache table are written from.
func cacheShown(size int64, t TargetCache) *cacheDraft {
	return &cacheDraft{TargetCache: t, size: size, limit: share{bytes: t.DirtyLimit}}
}

// show writes one table, without the tables inside it, and without keys whose
// absence is their value.
func (s section[T]) show(b *strings.Builder, header string, t *T) {
	fmt.Fprintf(b, "\n%s\n", header)
	width := 0
	for _, k := range s {
		if k.write != nil && k.write(t) != "" {
			width = max(width, len(k.name))
		}
	}
	for _, k := range s {
		if k.write == nil {
			continue
		}
		if value := k.write(t); value != "" {
			fmt.Fprintf(b, "%-*s = %s\n", width, k.name, value)
		}
	}
}
