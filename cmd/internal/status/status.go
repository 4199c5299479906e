// Package status holds what `iscsifs status --json` prints: the names and types
// that scripts rely on. A daemon answers a status request with its Mount; the
// command gathers those of all daemons into a Report.
//
// Times are RFC 3339, sizes in bytes, durations in seconds. A list that is empty
// is [] and never null: the values marshal themselves so.
package status

import "time"

// Report is everything that `iscsifs status --json` prints.
type Report struct {
	Version string  `json:"version"`
	Mounts  []Mount `json:"mounts"`
}

// Mount is one mountpoint and the daemon that serves it.
type Mount struct {
	Mountpoint string      `json:"mountpoint"`
	Config     string      `json:"config"` // absolute path of the configuration
	PID        int         `json:"pid"`    // of the daemon; 0 where it is gone
	State      string      `json:"state"`  // of the daemon; "dead" where it is gone, "unanswering" where it does not answer
	Log        string      `json:"log"`    // where the daemon logs to
	Warnings   []string    `json:"warnings"`
	Protection *Protection `json:"protection,omitempty"` // none where nothing can be written
	Targets    []Target    `json:"targets"`
}

// Protection is what lets a daemon below a loop device work on while memory is short.
type Protection struct {
	IOFlusher   bool     `json:"io_flusher"`    // PR_SET_IO_FLUSHER on every thread
	Locked      string   `json:"memory_locked"` // all, cache, none
	OOMScoreAdj int      `json:"oom_score_adj"`
	Gaps        []string `json:"gaps"` // what is missing, why, and what it means
}

// Target is one target of a mount.
type Target struct {
	IQN         string            `json:"iqn"`
	Directory   string            `json:"directory"`
	State       string            `json:"state"`
	Since       time.Time         `json:"since"`  // when State began
	Reason      string            `json:"reason"` // why it is in State
	Reconnects  uint64            `json:"reconnects"`
	NextAttempt *time.Time        `json:"next_attempt"` // of a login; null while none is due
	Alias       string            `json:"alias"`        // that the target gives itself
	Interface   string            `json:"interface"`    // of the configuration; "" where the system chooses
	CHAP        *CHAP             `json:"chap"`         // null without authentication
	Timeouts    Timeouts          `json:"timeouts"`
	Portals     []Portal          `json:"portals"`
	Sessions    []Session         `json:"sessions"`     // that have logged in at least once
	LastContact *time.Time        `json:"last_contact"` // when the target was last heard of, to the second; null before the first login
	Negotiated  map[string]string `json:"negotiated"`   // text keys of RFC 7143, section 13, and their results
	Stats       Stats             `json:"stats"`        // summed over the target's sessions
	LUNs        []LUN             `json:"luns"`
}

// Portal is one path to a target.
type Portal struct {
	Address string `json:"address"` // ip:port, or as configured while not resolved
	TPGT    int    `json:"tpgt"`    // target portal group tag; -1 while not known
	State   string `json:"state"`
	ALUA    string `json:"alua"`   // asymmetric access state, of all its LUNs; "" while not known
	Reason  string `json:"reason"` // why the path is not logged in; "" where it is
}

// CHAP names who logs in; the secrets are nobody's business.
type CHAP struct {
	Username       string `json:"username"`
	MutualUsername string `json:"mutual_username"` // "" where the target need not prove itself
}

// Timeouts are those of the configuration in effect, in seconds.
type Timeouts struct {
	Login        float64  `json:"login"`
	NoopInterval float64  `json:"noop_interval"` // 0 = nobody asks
	Noop         float64  `json:"noop"`
	Command      float64  `json:"command"`
	Flush        float64  `json:"flush"`
	Replacement  *float64 `json:"replacement"` // null = never
}

// Session is one session with a target, as the last login left it.
type Session struct {
	ISID             string            `json:"isid"` // 12 hexadecimal digits
	TSIH             uint16            `json:"tsih"` // that the target gave it
	InitiatorName    string            `json:"initiator_name"`
	State            string            `json:"state"`
	Since            time.Time         `json:"since"`
	Portal           string            `json:"portal"`            // host:port in use, or last used
	TPGT             int               `json:"tpgt"`              // -1 while not known
	PersistentPortal string            `json:"persistent_portal"` // host:port that was asked first, before a redirect
	LocalAddress     string            `json:"local_address"`     // ip:port of this end of the connection
	RemoteAddress    string            `json:"remote_address"`    // ip:port of the target's end
	Device           string            `json:"device"`            // network device that has the local address; "" where none has it any more
	LastContact      time.Time         `json:"last_contact"`
	Reconnects       uint64            `json:"reconnects"`
	Negotiated       map[string]string `json:"negotiated"`
}

// LUN is one logical unit and its file.
type LUN struct {
	LUN            uint64   `json:"lun"`
	Path           string   `json:"path"`       // of its file
	Size           int64    `json:"size"`       // capacity in bytes
	BlockSize      int      `json:"block_size"` // logical block in bytes
	Vendor         string   `json:"vendor"`
	Product        string   `json:"product"`
	Revision       string   `json:"revision"`
	Serial         string   `json:"serial"`
	ID             string   `json:"id"`    // as udev's scsi_id prints it; "" where the target gives none
	State          string   `json:"state"` // of the logical unit: "ready", or why it is not
	ReadOnly       bool     `json:"read_only"`
	Thin           bool     `json:"thin"`
	Space          string   `json:"space"`           // of a thin LUN: "soft threshold reached" or "exhausted"; "" while the target has not complained
	Reservation    string   `json:"reservation"`     // "held" or "lost" with exclusive = true; else ""
	ReservationKey string   `json:"reservation_key"` // this host's, 0x and 16 digits; "" likewise
	DirtyBytes     int64    `json:"dirty_bytes"`     // written here, not yet on the target
	HeldBytes      int64    `json:"held_bytes"`      // of them, those that are kept back until somebody says so
	UnsyncedBytes  int64    `json:"unsynced_bytes"`  // on the target, and maybe only in its volatile cache
	InFlight       int      `json:"in_flight"`       // commands at the target
	Waiting        int      `json:"waiting"`         // commands that wait for a session, or for the LUN
	CacheHits      uint64   `json:"cache_hits"`
	CacheMisses    uint64   `json:"cache_misses"`
	ReadBytes      uint64   `json:"read_bytes"`
	WrittenBytes   uint64   `json:"written_bytes"`
	Warnings       []string `json:"warnings"`
	Holders        []Holder `json:"holders"`
}

// Holder is what keeps a LUN's file in use.
type Holder struct {
	Kind       string `json:"kind"`        // process, loop device, mount, volume group, …
	Name       string `json:"name"`        // of the process, device, mountpoint or group
	PID        int    `json:"pid"`         // of a process, else 0
	User       string `json:"user"`        // of a process, else ""
	Command    string `json:"command"`     // what frees it; "" where it goes with those above it
	SectorSize int    `json:"sector_size"` // of a loop device, in bytes, else 0
}
