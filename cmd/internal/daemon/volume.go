package daemon

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"github.com/iscsifs/iscsifs/cache"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
)

// cacheModes are the cache's names for the configuration's.
var cacheModes = map[config.CacheMode]cache.Mode{
	config.Writeback:    cache.Writeback,
	config.Writethrough: cache.Writethrough,
	config.None:         cache.None,
}

// openMemory takes the memory that all LUNs of the mount share.
func (d *Daemon) openMemory() (err error) {
	d.memory, err = cache.New(cache.Options{Size: d.opts.Config.Cache.Size})
	if err != nil {
		return fmt.Errorf("take %d bytes of memory for the cache: %w", d.opts.Config.Cache.Size, err)
	}
	return nil
}

// closeMemory gives the memory back, after the last volume.
func (d *Daemon) closeMemory() {
	if d.memory == nil {
		return
	}
	if err := d.memory.Close(); err != nil {
		d.log.Error().Err(err).Msg("cannot give the cache's memory back")
	}
}

// openVolume puts a volume on the disk of the LUN, with the settings of its
// target.
func (d *Daemon) openVolume(l *lun) (err error) {
	opts := volumeOptions(l)
	opts.Identity, opts.Logger = identityOf(l), l.target.log.With().Uint64("lun", l.number).Str("file", l.path()).Logger()
	if l.volume, err = d.memory.Open(l.disk, opts); err != nil {
		return fmt.Errorf("present %s: %w", l.where(), err)
	}
	return nil
}

// volumeOptions are the settings of a LUN's volume.
func volumeOptions(l *lun) cache.VolumeOptions {
	c := &l.target.cfg().Cache
	opts := cache.VolumeOptions{
		Mode:          cacheModes[c.Mode],
		DirtyLimit:    c.DirtyLimit,
		FlushInterval: c.FlushInterval,
		ReadAhead:     int(c.ReadAhead),
	}
	if !c.MaxAge.IsNever() {
		opts.MaxAge = c.MaxAge.Duration()
	}
	switch {
	// The reservation is checked before anything is written in a new session. So
	// nothing of it comes too late, and nothing is sent when it is another's.
	case l.exclusive():
		opts.Refuse = l.writable
	case c.LateWrites == config.Hold:
		opts.HoldLate = initiator.AwayTooLong
	}
	return opts
}

// tune gives the volume of a LUN the settings of its target that can be changed. What
// was held back goes out if late data is to be written now.
func (d *Daemon) tune(l *lun) {
	if l.volume == nil {
		return
	}
	l.volume.Tune(volumeOptions(l))
	if l.volume.Late() && l.target.cfg().Cache.LateWrites == config.Write {
		l.target.log.Info().Msgf("%s: what was held back is written: late_writes is %q now", l.where(), config.Write)
		l.volume.WriteLate()
	}
}

// identityOf is a hash of what names the LUN's logical unit.
func identityOf(l *lun) uint64 {
	sum := sha256.Sum256([]byte(unitKey(l)))
	return binary.BigEndian.Uint64(sum[:])
}

// closeVolume ends the volume, if the LUN has one. What was to be flushed was
// flushed before; the rest is given up.
func (l *lun) closeVolume() {
	if l.volume == nil {
		return
	}
	ended, end := context.WithCancel(context.Background())
	end()
	if err := l.volume.Close(ended); err != nil {
		l.target.log.Error().Err(err).Msgf("%s ends with data that is not on the target", l.where())
	}
}
