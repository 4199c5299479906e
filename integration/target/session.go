package target

import (
	"maps"
	"slices"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// session is an I_T nexus with its commands, under Target.mu. It begins with
// the last answer of its first login and ends with its last connection, with a
// logout, or when a login with its ISID takes its place (RFC 7143, Section
// 6.3.5).
type session struct {
	t         *Target
	tag       uint16 // of the portal group: with the node the target port
	node      *node  // nil in a discovery session
	initiator string
	isid      pdu.ISID
	tsih      uint16
	params    negotiated
	conns     map[uint16]*conn // by CID

	expCmdSN uint32
	maxCmdSN uint32
	waiting  map[uint32]*request // that came before their turn, by CmdSN
	tasks    map[uint32]*task    // by Initiator Task Tag
	aborted  map[uint32]bool     // tags whose late data is discarded in silence
	nextTTT  uint32
	ended    bool

	disturbed bool // see conn.disturb
}

// SessionInfo describes a session that is logged in.
type SessionInfo struct {
	Initiator   string
	Target      string // empty for a discovery session
	ISID        pdu.ISID
	TSIH        uint16
	PortalGroup uint16            // its tag
	Connections []uint16          // CIDs
	Keys        map[string]string // negotiated keys and their results
}

// Sessions returns all sessions in full feature phase, in order of TSIH.
func (t *Target) Sessions() []SessionInfo {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []SessionInfo
	for _, tsih := range slices.Sorted(maps.Keys(t.sessions)) {
		all = append(all, t.sessions[tsih].info())
	}
	return all
}

func (s *session) info() SessionInfo {
	info := SessionInfo{
		Initiator:   s.initiator,
		ISID:        s.isid,
		TSIH:        s.tsih,
		PortalGroup: s.tag,
		Connections: slices.Sorted(maps.Keys(s.conns)),
		Keys:        maps.Clone(s.params.results),
	}
	if s.node != nil {
		info.Target = s.node.IQN
	}
	return info
}

// newSession admits a session and ends the one whose place it takes: that of
// the same two ports (RFC 7143, Section 6.3.5).
func (p *Portal) newSession(n *node, initiator string, req *pdu.LoginRequest, params negotiated) *session {
	t := p.t
	for _, old := range t.sessions {
		if old.initiator == initiator && old.isid == req.ISID && old.node == n && old.tag == p.tag {
			old.end()
		}
	}
	s := &session{
		t:         t,
		tag:       p.tag,
		node:      n,
		initiator: initiator,
		isid:      req.ISID,
		tsih:      t.freeTSIH(),
		params:    params,
		conns:     map[uint16]*conn{},
		expCmdSN:  req.CmdSN,
		maxCmdSN:  req.CmdSN + t.window - 1,
		waiting:   map[uint32]*request{},
		tasks:     map[uint32]*task{},
		aborted:   map[uint32]bool{},
	}
	t.sessions[s.tsih] = s
	t.rec.count(func(c *Counters) { c.Logins++ })
	if n != nil {
		for _, l := range n.luns {
			l.join(s, !t.cfg.QuietLogin)
		}
	}
	return s
}

// freeTSIH returns a session handle; 0 is reserved for new sessions.
func (t *Target) freeTSIH() uint16 {
	for {
		t.nextTSIH++
		if t.nextTSIH != 0 && t.sessions[t.nextTSIH] == nil {
			return t.nextTSIH
		}
	}
}

func (s *session) addConn(c *conn, cid uint16) {
	c.sess, c.cid = s, cid
	c.maxSend = s.params.maxSend
	s.conns[cid] = c
}

// removeConn ends the session with its last connection: at error recovery
// level 0 nothing of it can be continued (RFC 7143, Section 7.1.1).
func (s *session) removeConn(c *conn) {
	if s.conns[c.cid] == c {
		delete(s.conns, c.cid)
	}
	for _, k := range s.tasks {
		if k.c == c {
			k.orphan()
		}
	}
	if len(s.conns) == 0 {
		s.end()
	}
}

// end takes the session out of the target. Tasks that a rule holds before
// their execution stay with their LUN, as in a real target's queue.
func (s *session) end() {
	if s.ended {
		return
	}
	s.ended = true
	delete(s.t.sessions, s.tsih)
	for _, k := range s.tasks {
		k.orphan()
	}
	if s.node != nil {
		for _, l := range s.node.luns {
			l.leave(s)
		}
	}
	for _, c := range s.conns {
		c.cut()
	}
}

// sequence returns the numbering for a PDU that consumes no StatSN.
func (c *conn) sequence() pdu.Sequence {
	return pdu.Sequence{StatSN: c.statSN, ExpCmdSN: c.sess.expCmdSN, MaxCmdSN: c.sess.maxCmdSN}
}

// status returns the numbering for a PDU that consumes a StatSN.
func (c *conn) status() pdu.Sequence {
	seq := c.sequence()
	c.statSN++
	return seq
}

// queue sends a PDU with its data.
func (c *conn) queue(h pdu.PDU, data []byte) {
	c.out.put(outgoing{p: newPDU(h, data), digests: c.send})
}

// queueLast sends a PDU and closes the write side after it.
func (c *conn) queueLast(h pdu.PDU, data []byte) {
	c.out.put(outgoing{p: newPDU(h, data), digests: c.send, last: true})
}

func newPDU(h pdu.PDU, data []byte) *PDU {
	p := &PDU{Data: data}
	h.Marshal(&p.Header)
	p.Header.SetDataSegmentLength(len(data))
	return p
}
