package config

import (
	"io/fs"
	"time"
)

// Config is one configuration file, validated, with every default filled in.
type Config struct {
	Path        string      // absolute path of the file
	Initiator   Initiator   // [initiator]
	Targets     []Target    // [[target]], in file order
	Discoveries []Discovery // [[discovery]], in file order
	Session     Session     // [session], the default of every target
	Cache       Cache       // [cache], likewise
	Mount       Mount       // [mount]
	Log         Log         // [log]
	Metrics     Metrics     // [metrics]
}

// Initiator says who this host is to its targets. Both fields are as the file
// gives them: what an empty one stands for is the caller's matter.
type Initiator struct {
	Name  string // iSCSI name; "" = the host's own, or one that is generated and kept
	Alias string // InitiatorAlias; "" = the host name
}

// Target is one [[target]]: an iSCSI target and what to do with its LUNs.
type Target struct {
	Portals   []Portal    // at least one; several are paths to the same target, in order of preference
	IQN       string      // iSCSI name, as the file writes it
	Directory string      // one plain name below the mountpoint; "" = the mountpoint itself
	LUNs      []uint16    // wanted LUN numbers, ascending; nil = every disk there is
	ReadOnly  bool        // never write
	Exclusive bool        // hold a persistent reservation
	Required  bool        // the mount fails without this target
	Login     LoginMode   // LoginAuto or LoginManual
	Interface string      // local address or network device to connect from; "" = any
	CHAP      *CHAP       // nil = no authentication
	Session   Session     // in effect here: [target.session] over [session] over the defaults
	Cache     TargetCache // in effect here: [target.cache] over [cache] over the defaults
	Line      int         // of its [[target]] header in the file, from 1
}

// Discovery is one [[discovery]]: log in to what a portal offers.
type Discovery struct {
	Portal     Portal   // where SendTargets is asked
	Match      []string // globs in the syntax of path.Match, at least one
	Directory  string   // pattern of the targets' directories; {iqn} is the only variable
	LUNs       []uint16 // this and the next five as in Target
	ReadOnly   bool
	Exclusive  bool
	Required   bool // but false unless given
	Login      LoginMode
	Interface  string
	CHAP       *CHAP       // of the discovery session; nil = none
	TargetCHAP *CHAP       // of the sessions to what was found; nil = none
	Session    Session     // the file's [session]
	Cache      TargetCache // the file's [cache]
	Line       int         // of its [[discovery]] header in the file, from 1
}

// CHAP holds the credentials of one login (RFC 7143, section 12.1.3). One-way
// CHAP is always complete; the mutual half is complete or empty.
type CHAP struct {
	Username       string // CHAP_N that we answer with
	Password       Secret // ours
	MutualUsername string // CHAP_N that the target must answer with; "" = the target need not prove itself
	MutualPassword Secret // the target's
}

// Mutual tells whether the target must prove itself too.
func (c *CHAP) Mutual() bool { return c != nil && c.MutualUsername != "" }

// Most paths that a target may have: MaxSessions with each of MaxPortals.
const (
	MaxPortals  = 64
	MaxSessions = 32
)

// Session holds what a session negotiates and how long it is patient.
type Session struct {
	HeaderDigest       Digest        // of PDU headers
	DataDigest         Digest        // of data segments
	Sessions           int           // sessions per portal, 1 to MaxSessions
	LoginTimeout       time.Duration // for one connection attempt with its login
	NoopInterval       time.Duration // between NOP-Outs on a silent connection; 0 = none are sent
	NoopTimeout        time.Duration // for the answer to one
	CommandTimeout     time.Duration // for a SCSI command, before it is aborted
	FlushTimeout       time.Duration // the same for SYNCHRONIZE CACHE, UNMAP and WRITE SAME
	ReplacementTimeout Timeout       // how long I/O waits for a lost session; 0 = fails at once, may be Never
	QueueDepth         int           // commands in flight per LUN
}

// Cache is the cache that all LUNs share, and the targets' default for the rest.
type Cache struct {
	Size        int64 // bytes, of all LUNs together
	TargetCache       // what a target may set for itself
}

// TargetCache holds the cache's behaviour for the LUNs of one target.
type TargetCache struct {
	Mode          CacheMode     // Writeback, Writethrough or None
	DirtyLimit    int64         // bytes not yet on the target above which writers wait; at most Cache.Size
	FlushInterval time.Duration // age at which write-back of a byte starts
	ReadAhead     int64         // bytes, most that is read ahead of one sequential reader; 0 = off
	MaxAge        Timeout       // clean data older than this is fetched again; may be Never
	LateWrites    LateWrites    // Hold or Write
}

// Mount says where and for whom the files appear.
type Mount struct {
	Point      string        // absolute path of the mountpoint; "" = must be given by the caller
	AllowOther AllowOther    // whether other users may look into the mount
	UID        *uint32       // owner of the files; nil = who mounts
	GID        *uint32       // group of the files; nil = who mounts
	Mode       fs.FileMode   // permission bits of the files
	Wait       time.Duration // how long to go on trying required targets
}

// Log says what is logged, how and where.
type Log struct {
	Level  LogLevel  // least severe level that is logged
	Format LogFormat // LogAuto, LogConsole or LogJSON
	File   string    // absolute path of the daemon's log; "" = the system's log or the user's state directory
}

// Metrics says where Prometheus metrics are served.
type Metrics struct {
	Listen string // host:port, or :port on the loopback device; "" = nowhere
}
