package target

import "slices"

// join gives an I_T nexus its place in the LUN.
func (l *LUN) join(s *session, attention bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nexuses[s] = nil
	if attention {
		l.nexuses[s] = []asc{ascReset}
	}
}

func (l *LUN) leave(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.nexuses, s)
}

// QueueUnitAttention makes a unit attention pending for every I_T nexus.
func (l *LUN) QueueUnitAttention(code, qualifier byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.alarm(asc{code, qualifier})
}

// alarm requires l.mu. A unit attention that is pending already is not doubled.
func (l *LUN) alarm(a asc) {
	for s, pending := range l.nexuses {
		if len(pending) == 0 || pending[len(pending)-1] != a {
			l.nexuses[s] = append(pending, a)
		}
	}
}

// attentionFor takes the oldest unit attention of a nexus, unless the command
// is one that leaves them alone (SAM-5, Section 5.14).
func (l *LUN) attentionFor(s *session, op *operation) *asc {
	if op.ignoresAttention {
		return nil
	}
	return l.takeAttention(s)
}

func (l *LUN) takeAttention(s *session) *asc {
	l.mu.Lock()
	defer l.mu.Unlock()
	pending := l.nexuses[s]
	if len(pending) == 0 {
		return nil
	}
	l.nexuses[s] = pending[1:]
	return &pending[0]
}

// clearAttention takes away a unit attention that has been dealt with.
func (l *LUN) clearAttention(s *session, a asc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if pending, joined := l.nexuses[s]; joined {
		l.nexuses[s] = slices.DeleteFunc(pending, func(b asc) bool { return b == a })
	}
}
