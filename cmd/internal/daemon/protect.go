package daemon

import (
	"os"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/cmd/internal/status"
)

// protect lets the daemon work on while memory is short. A mount that nobody can write
// has nothing that the kernel could wait for.
func (d *Daemon) protect() {
	if d.opts.Protect == nil || d.opts.ReadOnly {
		return
	}
	p := d.opts.Protect(d.memory.Lock)
	d.protected = &p
	level := zerolog.DebugLevel // other users make no loop devices
	if os.Geteuid() == 0 {
		level = zerolog.WarnLevel
	}
	for _, gap := range p.Gaps {
		d.log.WithLevel(level).Msg(gap)
	}
}

// reportProtection is what status shows of it; nil where there is none to show.
func (d *Daemon) reportProtection() *status.Protection {
	if d.protected == nil {
		return nil
	}
	return &status.Protection{
		IOFlusher:   d.protected.IOFlusher,
		Locked:      string(d.protected.Locked),
		OOMScoreAdj: d.protected.OOMScoreAdj,
		Gaps:        d.protected.Gaps,
	}
}
