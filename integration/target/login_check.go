package target

import (
	"strconv"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// check looks at the header of a Login Request.
func (l *login) check() error {
	if l.req.VersionMin > 0 {
		return loginVersion
	}
	if !reservedClear(&l.p.Header) {
		if err := l.violate(reqReserved, ""); err != nil {
			return err
		}
	}
	if l.req.Transit && l.req.Continue {
		if err := l.violate(reqLoginTC, ""); err != nil {
			return err
		}
	}
	if !l.begun {
		return l.checkFirst()
	}
	return l.checkNext()
}

func (l *login) checkFirst() error {
	l.begun, l.head, l.csg = true, l.req, l.req.CSG
	l.c.expStatSN = l.c.statSN
	return l.checkStage()
}

func (l *login) checkNext() error {
	r, h := &l.req, &l.head
	if r.ISID != h.ISID || r.TSIH != h.TSIH || r.CID != h.CID || r.ITT != h.ITT {
		if err := l.violate(reqLoginConstant, ""); err != nil {
			return err
		}
	}
	if r.CmdSN != h.CmdSN {
		if err := l.violate(reqLoginCmdSN, numbers(r.CmdSN, h.CmdSN)); err != nil {
			return err
		}
	}
	return l.checkStage()
}

func (l *login) checkStage() error {
	badCSG := l.req.CSG != l.csg || l.req.CSG > pdu.OperationalNegotiation
	badNSG := l.req.Transit && (l.req.NSG <= l.req.CSG || l.req.NSG == 2)
	if badCSG || badNSG {
		return l.violate(reqLoginStage, "CSG "+l.req.CSG.String()+", NSG "+l.req.NSG.String())
	}
	return nil
}

// begin takes the names out of the first request and finds what is wanted.
func (l *login) begin(keys []pdu.KeyValue) ([]pdu.KeyValue, error) {
	var rest []pdu.KeyValue
	names := map[string]string{}
	for _, kv := range keys {
		switch kv.Key {
		case "InitiatorName", "TargetName", "SessionType", "InitiatorAlias":
			if l.initiator != "" {
				if err := l.violate(reqLoginNames, kv.Key); err != nil {
					return nil, err
				}
			}
			if err := l.neg.once(l, kv.Key); err != nil {
				return nil, err
			}
			names[kv.Key] = kv.Value
		default:
			rest = append(rest, kv)
		}
	}
	if l.initiator != "" {
		return rest, nil
	}
	return rest, l.identify(names)
}

// identify finds the target node, or that the session is for discovery.
func (l *login) identify(names map[string]string) error {
	l.initiator = names["InitiatorName"]
	if l.initiator == "" {
		return loginMissing
	}
	switch names["SessionType"] {
	case "Discovery":
		l.discovery = true
		l.auth.init(l.c.t.cfg.DiscoveryCHAP)
	case "", "Normal":
		if names["TargetName"] == "" {
			return loginMissing
		}
		if l.node = l.c.t.nodeNamed(names["TargetName"]); l.node == nil {
			return loginNotFound
		}
		l.auth.init(l.node.CHAP)
	default:
		return loginSessionType
	}
	if l.csg == pdu.OperationalNegotiation && !l.auth.done {
		return loginAuthFailed
	}
	return nil
}

// tagKey tells the portal group tag, which belongs into the first answer (RFC
// 7143, Section 13.9).
func (l *login) tagKey() pdu.KeyValue {
	return pdu.KeyValue{Key: "TargetPortalGroupTag", Value: strconv.Itoa(int(l.c.portal.tag))}
}

// finish makes the session, or takes the connection into it, and sends the
// last answer. What is negotiated holds from the PDU after it.
func (l *login) finish() error {
	c, t := l.c, l.c.t
	t.mu.Lock()
	defer t.mu.Unlock()
	s, err := l.session()
	if err != nil {
		return err
	}
	c.expStatSN = expStatSN(&l.p.Header)
	s.addConn(c, l.req.CID)
	h := pdu.LoginResponse{Transit: true, CSG: l.req.CSG, NSG: pdu.FullFeaturePhase, ISID: l.req.ISID,
		TSIH: s.tsih, ITT: l.req.ITT, Sequence: c.status()}
	c.queue(&h, l.neg.last)
	c.send = digests{l.neg.result.HeaderDigest, l.neg.result.DataDigest}
	c.digests = c.send
	c.maxRecv = t.params.MaxRecvDataSegmentLength
	return nil
}

// session returns the session that the connection belongs to.
func (l *login) session() (*session, error) {
	t := l.c.t
	if l.req.TSIH == 0 {
		return l.c.portal.newSession(l.node, l.initiator, &l.req, l.neg.result), nil
	}
	s := t.sessions[l.req.TSIH]
	if s == nil || s.tag != l.c.portal.tag || s.isid != l.req.ISID || s.initiator != l.initiator || s.node != l.node {
		return nil, loginNoSession
	}
	if old := s.conns[l.req.CID]; old != nil {
		delete(s.conns, l.req.CID) // connection reinstatement, Section 6.3.4
		old.abortTasks()
		old.cut()
	} else if len(s.conns) >= s.params.MaxConnections {
		return nil, loginTooMany
	}
	return s, nil
}
