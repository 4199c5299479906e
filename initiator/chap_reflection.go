package initiator

import (
	"bytes"
	"sync"
)

// sentChallenges are the last challenges that this process sent, on all
// connections: a reflected one may come back on any.
var sentChallenges challengeLog

// challengeLog remembers challenges. Old ones fall out; by then the logins
// that they belong to are long over.
type challengeLog struct {
	mu   sync.Mutex
	ring [64][]byte
	next int
}

func (l *challengeLog) add(challenge []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring[l.next] = bytes.Clone(challenge)
	l.next = (l.next + 1) % len(l.ring)
}

func (l *challengeLog) contains(challenge []byte) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, sent := range l.ring {
		if bytes.Equal(sent, challenge) {
			return true
		}
	}
	return false
}
