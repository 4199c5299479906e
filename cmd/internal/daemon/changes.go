package daemon

import (
	"fmt"
	"sync"

	"github.com/dustin/go-humanize"
	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
)

// changes collects what a rescan or reload has done, and could not do. Its methods may
// be called by several goroutines.
type changes struct {
	mu  sync.Mutex
	all control.Changes
}

// did notes, and logs, what was done.
func (c *changes) did(log zerolog.Logger, format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	log.Info().Msg(line)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all.Done = append(c.all.Done, line)
}

// refuse notes what could not be done.
func (c *changes) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all.Refused = append(c.all.Refused, err.Error())
	if c.all.Code == 0 {
		c.all.Code = exitcode.Of(Classify(err))
	}
}

// add takes in what another has collected.
func (c *changes) add(r control.Changes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all.Done = append(c.all.Done, r.Done...)
	c.all.Refused = append(c.all.Refused, r.Refused...)
	if c.all.Code == 0 {
		c.all.Code = r.Code
	}
}

// newTarget notes the files of a target that is new.
func (c *changes) newTarget(t *target) {
	for _, l := range t.attached() {
		c.did(t.log, "%s: new, %s, of %s", l.path(), humanize.IBytes(uint64(l.size())), t.cfg().IQN)
	}
}
