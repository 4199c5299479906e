package daemon

import (
	"context"
	"sync"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/cache"
	"github.com/iscsifs/iscsifs/cmd/internal/reclaim"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/fusefs"
)

// Options are what a daemon is started with.
type Options struct {
	Config     *config.Config // with what the command line changes
	Mountpoint string         // resolved
	ReadOnly   bool           // the whole mount
	Shared     bool           // allow a second read-write use of a LUN on this host
	Preempt    uint64         // key that reservations may be taken from; 0 = none

	InitiatorName  string // iSCSI name
	InitiatorAlias string

	Socket   string   // where the control socket will be, for those who look for it
	LogPlace string   // where the log goes, for status
	Warnings []string // of the configuration and the start, for status
	Logger   zerolog.Logger
	// ReopenLog, which may be nil, opens the log's file anew.
	ReopenLog func() error

	// Protect, which may be nil, lets a mount that can be written work on while memory
	// is short. It is given how the memory of the cache is locked.
	Protect func(lockCache func() error) reclaim.Protection
	// OnState, which may be nil, is told each new state. It is not to wait.
	OnState func(State)
	// OnWait, which may be nil, is told whom the start waits for.
	OnWait func(line string)
	// OnLogins, which may be nil, is told how many targets the start has logged in to.
	OnLogins func(Logins)

	// Load reads the configuration again, with what the command line changes.
	Load func() (*config.Config, error)
	// SetLevel, which may be nil, sets the log level.
	SetLevel func(config.LogLevel)
	// OnReload, which may be nil, is told when reading again begins and has ended.
	OnReload func(begins bool)

	discover discoverFunc // nil = initiator.Discover
}

// Daemon is a mount and all that serves it.
type Daemon struct {
	opts      Options
	log       zerolog.Logger
	lifecycle lifecycle
	open      loginFunc
	slots     chan struct{} // a token for each login under way
	files     *fusefs.FS
	server    mount // nil until mounted
	holders   searches
	locks     locks
	memory    *cache.Cache        // of all volumes; nil until started
	protected *reclaim.Protection // nil = it was not asked for; set before Start returns

	attaching sync.Mutex          // one connection is attached at a time; before tree
	listing   chan struct{}       // the right to change the list of targets; one slot
	unfound   []*config.Discovery // that did not answer at the start; not changed after it

	tree     sync.Mutex                  // guards what follows
	silent   map[*config.Discovery]error // why the last discovery found nothing
	asked    map[*config.Discovery]bool  // again and again by the background, see keepFinding
	settings *config.Config              // in effect
	targets  []*target                   // see all
	luns     []*lun                      // attached, in the order of their coming

	// background counts the goroutines that heed and try targets, and those that
	// do so for a user; alive is their context, which quit ends.
	background sync.WaitGroup
	alive      context.Context
	quit       context.CancelFunc

	end      ending
	finished chan struct{} // closed when all is flushed and logged out
	flushErr error         // of the last flush; may be read once finished is closed
}

// State tells where the daemon stands.
func (d *Daemon) State() State { return d.lifecycle.now() }

// attached returns the LUNs that have files or links, in the order of their
// coming.
func (d *Daemon) attached() []*lun {
	d.tree.Lock()
	defer d.tree.Unlock()
	return d.luns[:len(d.luns):len(d.luns)]
}
