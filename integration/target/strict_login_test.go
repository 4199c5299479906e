package target

import (
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// TestStrictLogin breaks the rules of the login.
func TestStrictLogin(t *testing.T) {
	key := func(k, v string) pdu.KeyValue { return pdu.KeyValue{Key: k, Value: v} }
	security := func(p *peer) *pdu.LoginRequest {
		h := p.loginHeader()
		h.CSG, h.NSG, h.Transit = pdu.SecurityNegotiation, pdu.OperationalNegotiation, false
		return h
	}
	for _, c := range []struct {
		rule string
		do   func(p *peer) pdu.LoginResponse
	}{
		{"login-transit-continue", func(p *peer) pdu.LoginResponse {
			h := p.loginHeader()
			h.Continue = true
			return p.exchange(h, names()...)
		}},
		{"login-stage", func(p *peer) pdu.LoginResponse {
			h := p.loginHeader()
			h.NSG = pdu.OperationalNegotiation
			return p.exchange(h, names()...)
		}},
		{"login-constant", func(p *peer) pdu.LoginResponse {
			h := p.loginHeader()
			h.Transit = false
			p.exchange(h, names()...)
			h.CID++
			return p.exchange(h)
		}},
		{"login-cmdsn", func(p *peer) pdu.LoginResponse {
			h := p.loginHeader()
			h.Transit = false
			p.exchange(h, names()...)
			h.CmdSN++
			return p.exchange(h)
		}},
		{"login-format", func(p *peer) pdu.LoginResponse {
			p.write(p.loginHeader(), []byte("InitiatorName=x"))
			var a pdu.LoginResponse
			a.Unmarshal(&p.read().Header)
			return a
		}},
		{"login-names", func(p *peer) pdu.LoginResponse {
			h := p.loginHeader()
			h.Transit = false
			p.exchange(h, names()...)
			return p.exchange(h, key("TargetName", testIQN))
		}},
		{"key-twice", func(p *peer) pdu.LoginResponse {
			return p.exchange(p.loginHeader(), names(key("MaxBurstLength", "512"), key("MaxBurstLength", "512"))...)
		}},
		{"key-stage", func(p *peer) pdu.LoginResponse {
			return p.exchange(security(p), names(key("AuthMethod", "CHAP"), key("InitialR2T", "No"))...)
		}},
		{"auth-order", func(p *peer) pdu.LoginResponse {
			p.exchange(security(p), names(key("AuthMethod", "CHAP"))...)
			return p.exchange(security(p), key("CHAP_A", "5"), key("CHAP_N", "x"))
		}},
		{"chap-reflected", func(p *peer) pdu.LoginResponse {
			p.exchange(security(p), names(key("AuthMethod", "CHAP"))...)
			p.exchange(security(p), key("CHAP_A", "5"))
			challenge, _ := decodeBinary(p.keys["CHAP_C"])
			var id byte
			for _, d := range []byte(p.keys["CHAP_I"]) {
				id = id*10 + d - '0'
			}
			return p.exchange(security(p), key("CHAP_N", "u"), key("CHAP_R", encodeBinary(chapResponse(5, id, "s", challenge), false)),
				key("CHAP_I", "1"), key("CHAP_C", p.keys["CHAP_C"]))
		}},
	} {
		t.Run(c.rule, func(t *testing.T) {
			cfg := Config{Strict: true}
			if c.rule == "auth-order" || c.rule == "chap-reflected" {
				cfg.CHAP = &CHAP{User: "u", Secret: "s", MutualUser: "t", MutualSecret: "r"}
			}
			target := start(t, cfg)
			if a := c.do(dial(t, target)); a.StatusClass != 2 {
				t.Errorf("answered with class %d, detail %d", a.StatusClass, a.StatusDetail)
			}
			if !broken(target, c.rule) {
				t.Errorf("not noted; noted were %v", target.Violations())
			}
		})
	}
}
