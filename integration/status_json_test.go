package integration

import (
	"encoding/json"
	"time"
)

// statusJSON is what `iscsifs status --json` promises to scripts.
type statusJSON struct {
	Version string
	Mounts  []struct {
		Mountpoint, Config, State, Log string
		PID                            int
		Protection                     *protectionJSON
		Targets                        []targetJSON
	}
}

type protectionJSON struct {
	IOFlusher   bool   `json:"io_flusher"`
	Locked      string `json:"memory_locked"`
	OOMScoreAdj int    `json:"oom_score_adj"`
	Gaps        []string
}

type targetJSON struct {
	IQN, Directory, State, Reason string
	Since                         time.Time
	NextAttempt                   *time.Time `json:"next_attempt"`
	Reconnects                    int
	Portals                       []struct {
		Address, State, ALUA, Reason string
		TPGT                         int
	}
	Negotiated map[string]any
	LUNs       []lunJSON
}

type lunJSON struct {
	LUN                                         int
	Path, Vendor, Product, Revision, Serial, ID string
	Size                                        int64
	BlockSize                                   int  `json:"block_size"`
	ReadOnly                                    bool `json:"read_only"`
	Thin                                        bool
	Space                                       string
	ReadBytes                                   int64 `json:"read_bytes"`
	WrittenBytes                                int64 `json:"written_bytes"`
	DirtyBytes                                  int64 `json:"dirty_bytes"`
	HeldBytes                                   int64 `json:"held_bytes"`
	Waiting                                     int
	Reservation                                 string
	ReservationKey                              string `json:"reservation_key"`
	Warnings                                    []string
	Holders                                     []holderJSON
}

type holderJSON struct {
	Kind, Name, User, Command string
	PID                       int
	SectorSize                int `json:"sector_size"`
}

// status asks for the state of all mounts, or of some.
func (h *host) status(points ...string) statusJSON {
	h.t.Helper()
	out := h.mustIscsifs(append([]string{"status", "--json"}, points...)...)
	var s statusJSON
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		h.t.Fatalf("status --json: %v\n%s", err, out)
	}
	return s
}
