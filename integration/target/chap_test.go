package target

import (
	"strconv"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// TestCHAP goes through the dance with each algorithm and encoding.
func TestCHAP(t *testing.T) {
	for algorithm := chapMD5; algorithm <= chapSHA3256; algorithm++ {
		for _, base64 := range []bool{false, true} {
			chap := &CHAP{User: "alice", Secret: "secret a", MutualUser: "bob", MutualSecret: "secret b", Base64: base64, ChallengeLength: 1024}
			target := start(t, Config{CHAP: chap, Strict: true})
			for _, secret := range []string{"secret a", "wrong"} {
				dial(t, target).chap(t, algorithm, secret)
			}
			if v := target.Violations(); len(v) > 0 {
				t.Error(v)
			}
		}
	}
}

// chap logs in, or is refused when the secret is wrong.
func (p *peer) chap(t *testing.T, algorithm int, secret string) {
	t.Helper()
	key := func(k, v string) pdu.KeyValue { return pdu.KeyValue{Key: k, Value: v} }
	h := p.loginHeader()
	h.CSG, h.Transit = pdu.SecurityNegotiation, false
	p.exchange(h, names(key("AuthMethod", "CHAP,None"))...)
	p.exchange(h, key("CHAP_A", strconv.Itoa(algorithm)))
	challenge, err := decodeBinary(p.keys["CHAP_C"])
	id, err2 := strconv.Atoi(p.keys["CHAP_I"])
	if err != nil || err2 != nil || len(challenge) != 1024 || p.keys["CHAP_A"] != strconv.Itoa(algorithm) {
		t.Fatal(p.keys)
	}
	h.Transit = true
	a := p.exchange(h, key("CHAP_N", "alice"), key("CHAP_R", encodeBinary(chapResponse(algorithm, byte(id), secret, challenge), false)),
		key("CHAP_I", "9"), key("CHAP_C", "0x0102"))
	if secret == "wrong" {
		if a.StatusClass != 2 || a.StatusDetail != 1 {
			t.Errorf("a wrong secret is answered with %+v", a)
		}
		return
	}
	proof, err := decodeBinary(p.keys["CHAP_R"])
	if !a.Transit || err != nil || p.keys["CHAP_N"] != "bob" || string(proof) != string(chapResponse(algorithm, 9, "secret b", []byte{1, 2})) {
		t.Errorf("%+v %v", a, p.keys)
	}
}

// TestCHAPVector checks against a response computed by hand with md5sum:
// printf '\001secret\002\003' | md5sum.
func TestCHAPVector(t *testing.T) {
	if got := encodeBinary(chapResponse(chapMD5, 1, "secret", []byte{2, 3}), false); got != chapVector {
		t.Error(got)
	}
}

const chapVector = "0xf506c24f35d1c70e450edb8fdf933478"
