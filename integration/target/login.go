package target

import (
	"errors"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// loginStatus is a class and a detail of a Login Response (RFC 7143, Section
// 11.13.5); as an error it ends the login.
type loginStatus uint16

// The statuses that this target finds by itself.
const (
	loginInitiatorErr  loginStatus = 0x0200
	loginAuthFailed    loginStatus = 0x0201
	loginNotFound      loginStatus = 0x0203
	loginVersion       loginStatus = 0x0205
	loginTooMany       loginStatus = 0x0206
	loginMissing       loginStatus = 0x0207
	loginSessionType   loginStatus = 0x0209
	loginNoSession     loginStatus = 0x020a
	loginInvalidDuring loginStatus = 0x020b
)

func (s loginStatus) Error() string { return fmt.Sprintf("login status %#04x", uint16(s)) }

// login is one login phase, owned by the connection's reader.
//
//	request ──C──▶ gather keys, answer empty
//	   │
//	   ├─ CSG 0: chap.go ─┐
//	   ├─ CSG 1: negotiate.go ─┴─▶ answer, in several PDUs if long
//	   └─ T and the stage is done ──▶ NSG; NSG 3: session, end
type login struct {
	c    *conn
	p    *PDU // the request at hand
	req  pdu.LoginRequest
	head pdu.LoginRequest // the first one
	text []byte           // gathered keys

	begun     bool
	csg       pdu.Stage
	node      *node
	initiator string
	discovery bool
	auth      chap
	neg       negotiator
}

// login carries out the login phase. After nil the connection has a session.
func (c *conn) login() error {
	l := &login{c: c}
	l.neg.init(c)
	for {
		p, err := c.readLogin()
		if err != nil {
			return err
		}
		done, err := l.request(p)
		var status loginStatus
		if errors.As(err, &status) {
			l.refuse(status)
		}
		if done || err != nil {
			return err
		}
	}
}

// readLogin reads until the rules let a Login Request pass. A rule's answer
// ends the login.
func (c *conn) readLogin() (*PDU, error) {
	for {
		p, err := c.read()
		if err != nil {
			return nil, err
		}
		if p.Header.Opcode() != pdu.OpLoginReq {
			c.note(reqLoginFirst, p, "")
			return nil, fmt.Errorf("%v before the end of the login", p)
		}
		if c.t.script.receiveLogin(c, p) {
			return p, nil
		}
	}
}

// request acts on one Login Request and tells whether the login is over.
func (l *login) request(p *PDU) (bool, error) {
	l.p = p
	l.req.Unmarshal(&p.Header)
	if err := l.check(); err != nil {
		return false, err
	}
	if len(l.text)+len(p.Data) > pdu.MaxTextLength {
		return false, loginInitiatorErr
	}
	l.text = append(l.text, p.Data...)
	if l.req.Continue {
		l.respond(nil, false, false)
		return false, nil
	}
	keys, err := pdu.ParseKeys(l.text)
	l.text = nil
	if err != nil {
		return false, l.violate(reqLoginFormat, err.Error())
	}
	return l.keys(keys)
}

// keys answers the keys of one exchange and transits if both sides are ready.
func (l *login) keys(keys []pdu.KeyValue) (bool, error) {
	rest, err := l.begin(keys)
	if err != nil {
		return false, err
	}
	answers, ready, err := l.stage(rest)
	if err != nil {
		return false, err
	}
	if err := l.send(pdu.AppendKeys(nil, answers...)); err != nil {
		return false, err
	}
	return l.transit(ready)
}

// stage answers keys according to the current stage; ready tells whether the
// target has nothing left to settle in it.
func (l *login) stage(keys []pdu.KeyValue) (answers []pdu.KeyValue, ready bool, err error) {
	if l.csg == pdu.SecurityNegotiation {
		answers, err = l.auth.receive(l, keys)
		ready = l.auth.done
	} else {
		answers, err = l.neg.receive(l, keys)
		ready = true
	}
	if l.neg.announce && l.node != nil {
		l.neg.announce = false
		answers = append([]pdu.KeyValue{l.tagKey()}, answers...)
	}
	return answers, ready, err
}

// send holds back the last piece of an answer for transit, which decides about
// its T bit; those before go out at once, each after an empty request.
func (l *login) send(text []byte) error {
	pieces := split(text, l.c.t.cfg.LoginSplit)
	for _, piece := range pieces[:len(pieces)-1] {
		l.respond(piece.data, true, false)
		p, err := l.c.readLogin()
		if err != nil {
			return err
		}
		l.p = p
		l.req.Unmarshal(&p.Header)
		if err := l.check(); err != nil {
			return err
		}
	}
	l.text = nil
	l.neg.last = pieces[len(pieces)-1].data
	return nil
}

// transit sends the last piece and goes to the next stage, if the initiator
// asked for it and the target is ready.
func (l *login) transit(ready bool) (bool, error) {
	if !l.req.Transit || !ready {
		l.respond(l.neg.last, false, false)
		return false, nil
	}
	if l.req.NSG == pdu.FullFeaturePhase {
		return true, l.finish()
	}
	l.respond(l.neg.last, false, true)
	l.csg = l.req.NSG
	return false, nil
}

// respond sends a Login Response with status 0.
func (l *login) respond(data []byte, more, transit bool) {
	h := pdu.LoginResponse{Transit: transit, Continue: more, CSG: l.req.CSG, ISID: l.req.ISID, TSIH: l.req.TSIH, ITT: l.req.ITT}
	if transit {
		h.NSG = l.req.NSG
	}
	h.Sequence = l.sequence()
	l.c.queue(&h, data)
}

// sequence numbers a login answer; the window is that of a session to be.
func (l *login) sequence() pdu.Sequence {
	seq := pdu.Sequence{StatSN: l.c.statSN, ExpCmdSN: l.req.CmdSN, MaxCmdSN: l.req.CmdSN + l.c.t.cfg.Window - 1}
	l.c.statSN++
	return seq
}

// refuse sends the status that ends the login.
func (l *login) refuse(s loginStatus) {
	h := pdu.LoginResponse{CSG: l.req.CSG, ISID: l.req.ISID, TSIH: l.req.TSIH, ITT: l.req.ITT,
		StatusClass: byte(s >> 8), StatusDetail: byte(s), Sequence: l.sequence()}
	l.c.queueLast(&h, nil)
}

// violate notes a breach; the error is not nil when the login ends for it.
func (l *login) violate(r *Requirement, detail string) error {
	l.c.note(r, l.p, detail)
	if l.c.refuses(r) {
		return loginInitiatorErr
	}
	return nil
}
