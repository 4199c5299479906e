package target

import (
	"strconv"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// reply is a text answer of several PDUs under way.
type reply struct {
	pieces []piece
}

// piece is the data segment of one text answer.
type piece struct {
	data []byte
	more bool // the C bit: the keys go on in the next
}

// textRequest answers keys in the full feature phase (RFC 7143, Section
// 11.10).
func (c *conn) textRequest(p *PDU) {
	var h pdu.TextRequest
	h.Unmarshal(&p.Header)
	if h.Continue && h.Final && c.violate(reqTextContinue, p, "") {
		return
	}
	if h.TTT != pdu.ReservedTag {
		c.continueText(p, &h)
		return
	}
	if len(c.textIn)+len(p.Data) > pdu.MaxTextLength {
		c.cut()
		return
	}
	c.textIn = append(c.textIn, p.Data...)
	if h.Continue {
		// The initiator has more to say: an empty answer asks for it.
		c.queue(&pdu.TextResponse{ITT: h.ITT, TTT: c.sess.newTTT(), Sequence: c.status()}, nil)
		return
	}
	keys, err := pdu.ParseKeys(c.textIn)
	c.textIn = nil
	if err != nil {
		c.violate(reqTextFormat, p, err.Error())
		return
	}
	c.sendText(&h, &reply{c.pieces(c.answerText(keys))})
}

// continueText sends the next part of an answer.
func (c *conn) continueText(p *PDU, h *pdu.TextRequest) {
	r := c.texts[h.TTT]
	if r == nil {
		c.violate(reqTextTag, p, "")
		return
	}
	delete(c.texts, h.TTT)
	c.sendText(h, r)
}

// sendText sends the first piece that is left; the others wait for the
// initiator to ask with the tag.
func (c *conn) sendText(h *pdu.TextRequest, r *reply) {
	next := r.pieces[0]
	r.pieces = r.pieces[1:]
	answer := pdu.TextResponse{LUN: h.LUN, ITT: h.ITT, TTT: pdu.ReservedTag, Continue: next.more, Final: len(r.pieces) == 0}
	if !answer.Final {
		answer.TTT = c.sess.newTTT()
		c.texts[answer.TTT] = r
	}
	answer.Sequence = c.status()
	c.queue(&answer, next.data)
}

// pieces divides an answer as the configuration and the initiator's
// MaxRecvDataSegmentLength want it.
func (c *conn) pieces(keys []pdu.KeyValue) []piece {
	limit := c.maxSend
	if n := c.t.cfg.TextSplit; n > 0 {
		limit = min(limit, n)
	}
	if !c.t.cfg.TextByKey {
		return split(pdu.AppendKeys(nil, keys...), limit)
	}
	var all []piece
	for _, kv := range keys {
		all = append(all, split(pdu.AppendKeys(nil, kv), limit)...)
	}
	if len(all) == 0 {
		all = split(nil, limit)
	}
	return all
}

// split cuts text into pieces; all but the last have the C bit.
func split(text []byte, limit int) []piece {
	var all []piece
	for len(text) > limit {
		all = append(all, piece{text[:limit], true})
		text = text[limit:]
	}
	return append(all, piece{text, false})
}

// answerText answers the keys of a text request.
func (c *conn) answerText(keys []pdu.KeyValue) (answers []pdu.KeyValue) {
	for _, kv := range keys {
		switch kv.Key {
		case "SendTargets":
			answers = append(answers, c.sendTargets(kv.Value)...)
		case "MaxRecvDataSegmentLength":
			if n, err := strconv.Atoi(kv.Value); err == nil && n >= 512 && n <= pdu.MaxDataSegmentLength {
				c.maxSend = n
			}
		default:
			answers = append(answers, pdu.KeyValue{Key: kv.Key, Value: "Reject"})
		}
	}
	return answers
}

// sendTargets lists target nodes: all of them in a discovery session, else
// that of the session (RFC 7143, Appendix C).
func (c *conn) sendTargets(value string) (keys []pdu.KeyValue) {
	discovery := c.sess.node == nil
	for _, n := range c.t.nodes {
		switch {
		case value == "All" && discovery, value == n.IQN && (discovery || n == c.sess.node), value == "" && n == c.sess.node:
			keys = append(keys, pdu.KeyValue{Key: "TargetName", Value: n.IQN})
			keys = append(keys, c.addresses(n)...)
		}
	}
	if keys == nil && value == "All" && !discovery {
		keys = []pdu.KeyValue{{Key: "SendTargets", Value: "Reject"}}
	}
	return keys
}

// addressOf is where a portal is reached: the connection's own where its peer
// came in, which may listen on all addresses.
func (c *conn) addressOf(p *Portal) string {
	if p == c.portal {
		return c.net.LocalAddr().String()
	}
	return p.Addr()
}

func (c *conn) addresses(n *node) (keys []pdu.KeyValue) {
	list := n.Addresses
	if list == nil {
		for _, p := range c.t.portals {
			list = append(list, c.addressOf(p)+","+strconv.Itoa(int(p.tag)))
		}
	}
	for _, a := range list {
		keys = append(keys, pdu.KeyValue{Key: "TargetAddress", Value: a})
	}
	return keys
}
