package target

import "fmt"

// PowerCut cuts all connections and the power of all LUNs.
func (t *Target) PowerCut() error {
	t.CutConnections()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.sessions {
		s.end()
	}
	for _, n := range t.nodes {
		for _, l := range n.luns {
			for _, k := range l.queued() {
				k.abort()
			}
			if err := l.PowerCut(); err != nil {
				return err
			}
		}
	}
	return nil
}

// AddLUN adds a LUN to the first target node and tells its sessions with the
// unit attention 3F/0E.
func (t *Target) AddLUN(number uint64, l *LUN) error {
	if err := l.validate(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[0]
	if n.luns[number] != nil {
		return fmt.Errorf("LUN %d exists already", number)
	}
	n.inventoryChanged()
	l.attach(n.IQN, number)
	n.luns[number] = l
	for _, s := range t.sessions {
		if s.node == n {
			l.join(s, true)
		}
	}
	return nil
}

// RemoveLUN takes a LUN away from the first target node, aborts its tasks and
// tells the sessions with 3F/0E.
func (t *Target) RemoveLUN(number uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.nodes[0]
	l := n.luns[number]
	if l == nil {
		return
	}
	delete(n.luns, number)
	t.abortTasks(func(k *task) bool { return k.lun == l })
	for _, s := range t.sessions {
		l.leave(s)
	}
	n.inventoryChanged()
}

func (n *node) inventoryChanged() {
	for _, l := range n.luns {
		l.QueueUnitAttention(ascLUNsChanged.code, ascLUNsChanged.qualifier)
	}
}
