package initiator

import (
	"net"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// firstCmdSN is the CmdSN of a session's first command. The login carries it
// without using it up.
const firstCmdSN = 1

// login is the login phase of one connection (RFC 7143, Section 6.3). Its
// state is the stage; only advance changes it, and only when the initiator
// asked for the transition and the target agreed.
//
//	          +-----------------------------+
//	start --> |     SecurityNegotiation     |<--+ no T bit, or more to say
//	          +-----------------------------+---+
//	                 | T: security.finish
//	                 v
//	          +-----------------------------+
//	          | LoginOperationalNegotiation |<--+ no T bit
//	          +-----------------------------+---+
//	                 | T: TSIH given, negotiation.finish
//	                 v
//	          +-----------------------------+
//	          |      FullFeaturePhase       |
//	          +-----------------------------+
//
// Out of both stages: status class 1 ends the login with a *redirect, any
// other status with that LoginStatus, anything illegal with an ErrProtocol or
// ErrAuthentication. In all of these the connection is of no more use.
type login struct {
	stage    pdu.Stage
	wire     *loginWire
	security *security
	keys     *negotiation
	named    bool // the names went out, with the first request
	offered  bool // the operational keys went out

	params Params
	last   pdu.LoginResponse
}

func newLogin(nc net.Conn, cfg *Config) *login {
	return &login{
		stage:    pdu.SecurityNegotiation,
		wire:     &loginWire{conn: nc, request: pdu.LoginRequest{ISID: cfg.ISID, CmdSN: firstCmdSN}},
		security: newSecurity(cfg.CHAP),
		keys:     newNegotiation(cfg),
	}
}

// run goes through the stages.
func (l *login) run() error {
	for l.stage != pdu.FullFeaturePhase {
		if err := l.round(); err != nil {
			return err
		}
	}
	return nil
}

// round sends what is to be said in this stage and takes the answer.
func (l *login) round() error {
	out, ready := l.outgoing()
	step := loginStep{csg: l.stage, nsg: nextStage(l.stage), transit: ready}
	resp, in, err := l.wire.exchange(step, out)
	if err != nil {
		return err
	}
	if status := statusOf(&resp); status != LoginSuccess {
		return l.security.explain(refusal(status, in))
	}
	if err := l.incoming(in); err != nil {
		return err
	}
	l.last = resp
	return l.advance()
}

func statusOf(r *pdu.LoginResponse) LoginStatus {
	return LoginStatus(uint16(r.StatusClass)<<8 | uint16(r.StatusDetail))
}

func nextStage(s pdu.Stage) pdu.Stage {
	if s == pdu.SecurityNegotiation {
		return pdu.OperationalNegotiation
	}
	return pdu.FullFeaturePhase
}

// outgoing returns the keys of the next request, and whether the initiator
// has said all that belongs into this stage.
func (l *login) outgoing() (out []pdu.KeyValue, ready bool) {
	if !l.named {
		l.named = true
		out = l.keys.names()
	}
	out = append(out, l.keys.takeAnswers()...)
	if l.stage == pdu.SecurityNegotiation {
		secure, ready := l.security.take()
		return append(out, secure...), ready
	}
	if !l.offered {
		l.offered = true
		out = append(out, l.keys.offers()...)
	}
	return out, true
}

// incoming hands the keys of an answer to those who understand them.
func (l *login) incoming(in []pdu.KeyValue) error {
	secure := make(keySet)
	for _, kv := range in {
		var err error
		switch {
		case !isSecurityKey(kv.Key):
			err = l.keys.receive(kv)
		case l.stage != pdu.SecurityNegotiation:
			err = protocolErrorf("the target sends %s in the stage %v", kv.Key, l.stage)
		default:
			err = secure.add(kv)
		}
		if err != nil {
			return err
		}
	}
	return l.security.receive(secure)
}

// advance goes on to the next stage when both sides are ready.
func (l *login) advance() (err error) {
	if !l.last.Transit {
		return nil
	}
	if l.stage == pdu.SecurityNegotiation {
		err = l.security.finish()
	} else {
		err = l.finish()
	}
	l.stage = l.last.NSG
	return err
}

func (l *login) finish() (err error) {
	// RFC 7143, Section 11.13.3: the TSIH of the last response names the
	// session and is not 0.
	if l.last.TSIH == 0 {
		return protocolErrorf("the target ends the login without a TSIH")
	}
	l.params, err = l.keys.finish()
	return err
}
