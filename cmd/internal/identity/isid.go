package identity

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"
)

// typeRandom is the T field of an ISID, 10b, and the reserved A field behind it
// (RFC 7143, section 11.12.5).
const typeRandom = 0x80

// MaxSessions is how many sessions a mount may have with one target: the qualifiers
// below those of probes.
const MaxSessions = probeQualifier

// probeQualifier is the first D field of probes.
const probeQualifier = 0x8000

// SessionISID returns the ISID of a mount's session with a target: always the same
// for the same names, which differ by more than case. index is that of the session
// among the mount's with the target, from 0 and below MaxSessions, else SessionISID panics.
func SessionISID(initiator, target, mountpoint string, index int) [6]byte {
	if index < 0 || index >= MaxSessions {
		panic("identity: session index out of range")
	}
	// iSCSI names are compared without case (RFC 7143, section 4.2.7.1); none of the
	// three can hold a NUL.
	key := strings.Join([]string{strings.ToLower(initiator), strings.ToLower(target), mountpoint}, "\x00")
	sum := sha256.Sum256([]byte(key))
	return isid([3]byte(sum[:3]), uint16(index))
}

// probes counts the ISIDs that this process gave to discovery and checks.
var probes atomic.Uint32

// probeBase is the B and C field of this process's probes.
var probeBase = sync.OnceValue(func() (base [3]byte) {
	_, _ = rand.Read(base[:]) // never fails
	return base
})

// ProbeISID returns an ISID for a session that only looks: discovery, check. No
// mount has it, and no other call in this process returned it.
func ProbeISID() [6]byte {
	n := probes.Add(1) - 1
	return isid(probeBase(), probeQualifier|uint16(n)&(probeQualifier-1))
}

func isid(base [3]byte, qualifier uint16) (id [6]byte) {
	id[0] = typeRandom
	copy(id[1:4], base[:])
	binary.BigEndian.PutUint16(id[4:], qualifier)
	return id
}
