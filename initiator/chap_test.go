package initiator

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/iscsifs/iscsifs/initiator/pdu"
)

const (
	initiatorSecret = "initiator-secret"
	targetSecret    = "target-secret-1"
)

// chapVectors were made with Python's hashlib over 0x9c, "initiator-secret"
// and the challenge 10 11 ... 1f.
var chapVectors = map[int]string{
	5: "adf45ca54b796ec8bd57087cd6c171d3",
	6: "1011920b5369d3128b7803d5fc1a0da309246fd6",
	7: "c8bf70ce1a15c39cb052671393ab77383831fc78bd1479c108588f5f817161f8",
	8: "4471da2541c184062d0c8ccb23ee135fe0286f27babf30c6526564dd19d25c3e",
}

func TestCHAPResponse(t *testing.T) {
	challenge := []byte("\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f")
	for _, a := range chapAlgorithms {
		got := hex.EncodeToString(a.response(0x9c, []byte(initiatorSecret), challenge))
		if got != chapVectors[a.id] {
			t.Errorf("algorithm %d: got %s, want %s", a.id, got, chapVectors[a.id])
		}
	}
	if len(chapVectors) != len(chapAlgorithms) {
		t.Errorf("%d vectors for %d algorithms", len(chapVectors), len(chapAlgorithms))
	}
}

func TestDecodeCHAP(t *testing.T) {
	long := strings.Repeat("ab", 1024)
	for _, tt := range []struct {
		in   string
		want string // "" for an error
	}{
		{"0x00ff", "\x00\xff"},
		{"0XaBcD", "\xab\xcd"},
		{"0bAP8=", "\x00\xff"},
		{"0BAP8", "\x00\xff"},
		{"0x" + long, strings.Repeat("\xab", 1024)},
		{"0x" + long + "00", ""},
		{"0b" + strings.Repeat("AAAA", 342), ""}, // 1,026 bytes
		{"0x", ""}, {"0b", ""}, {"0x0", ""}, {"0x0g", ""}, {"0b\nAP8=", ""}, {"0b====", ""}, {"0bA", ""},
		{"", ""}, {"0", ""}, {"12", ""}, {"xx00", ""},
	} {
		got, err := decodeCHAP(tt.in)
		if (err == nil) != (tt.want != "") || string(got) != tt.want {
			t.Errorf("%.20q: got %x, %v", tt.in, got, err)
		}
	}
}

// chapConfig returns a configuration with one-way or mutual credentials.
func chapConfig(mutual bool) *Config {
	cfg := testConfig()
	cfg.CHAP = &CHAP{Username: "host", Secret: []byte(initiatorSecret)}
	if mutual {
		cfg.CHAP.MutualUsername, cfg.CHAP.MutualSecret = "nas", []byte(targetSecret)
	}
	return cfg
}

// Replies of a target with CHAP.
var (
	chooseCHAP = reply{keys: "AuthMethod=CHAP"}
	challenge5 = reply{keys: "CHAP_A=5 CHAP_I=156 CHAP_C=0x101112131415161718191a1b1c1d1e1f"}
	chapPassed = reply{flags: 0x81}
)

func TestCHAPLogin(t *testing.T) {
	for id, response := range chapVectors {
		challenge := withKeys(challenge5, strings.Replace(challenge5.keys, "CHAP_A=5", "CHAP_A="+string(rune('0'+id)), 1))
		_, s, err := try(t, chapConfig(false), chooseCHAP, challenge, chapPassed, welcome)
		if err != nil {
			t.Fatal(err)
		}
		got := s.got()
		if v := got[0].value("AuthMethod"); v != "CHAP,None" || got[0].header[1] != 0 {
			t.Errorf("offer %q, flags %#02x", v, got[0].header[1])
		}
		if got[1].data != "CHAP_A=8,6,5,7\x00" || got[1].header[1] != 0 {
			t.Errorf("got %q, flags %#02x", got[1].data, got[1].header[1])
		}
		if want := "CHAP_N=host\x00CHAP_R=0x" + response + "\x00"; got[2].data != want || got[2].header[1] != 0x81 {
			t.Errorf("got %q, flags %#02x, want %q", got[2].data, got[2].header[1], want)
		}
	}
}

// mutualTarget plays a target with MD5 that answers our challenge with what
// prove returns.
func mutualTarget(t *testing.T, prove func(id byte, challenge []byte, response string) string) (*scriptedTarget, error) {
	n := 0
	s := newTarget(t, func(r request) (reply, bool) {
		n++
		switch n {
		case 1:
			return chooseCHAP, true
		case 2:
			return challenge5, true
		case 3:
			challenge, err := hex.DecodeString(strings.TrimPrefix(r.value("CHAP_C"), "0x"))
			if err != nil || len(challenge) != 16 || r.value("CHAP_I") != "157" {
				t.Errorf("our challenge: %q", r.data)
			}
			return withKeys(chapPassed, prove(157, challenge, r.value("CHAP_R"))), true
		}
		return welcome, true
	})
	c, err := connect(context.Background(), chapConfig(true), s.portal)
	if err == nil {
		c.conn.Close()
	}
	return s, err
}

func md5Response(id byte, secret string, challenge []byte) string {
	return encodeCHAP(chapAlgorithms[2].response(id, []byte(secret), challenge))
}

func TestMutualCHAP(t *testing.T) {
	s, err := mutualTarget(t, func(id byte, c []byte, _ string) string {
		return "CHAP_N=nas CHAP_R=" + strings.ToUpper(md5Response(id, targetSecret, c))
	})
	if err != nil {
		t.Fatal(err)
	}
	if v := s.got()[0].value("AuthMethod"); v != "CHAP" {
		t.Errorf("offer %q", v)
	}
}

func TestMutualCHAPRefused(t *testing.T) {
	for name, tt := range map[string]struct {
		prove func(id byte, c []byte, response string) string
		want  string
	}{
		"wrong secret": {func(id byte, c []byte, _ string) string {
			return "CHAP_N=nas CHAP_R=" + md5Response(id, "another-secret", c)
		}, "does not know the mutual CHAP password"},
		"wrong length": {func(byte, []byte, string) string { return "CHAP_N=nas CHAP_R=0x00" }, "does not know"},
		"wrong name": {func(id byte, c []byte, _ string) string {
			return "CHAP_N=naz CHAP_R=" + md5Response(id, targetSecret, c)
		}, `calls itself "naz"`},
		"our response":  {func(_ byte, _ []byte, response string) string { return "CHAP_N=nas CHAP_R=" + response }, "our own response"},
		"no value":      {func(byte, []byte, string) string { return "CHAP_N=nas CHAP_R=zz" }, "unusable"},
		"response only": {func(id byte, c []byte, _ string) string { return "CHAP_R=" + md5Response(id, targetSecret, c) }, "lacks CHAP_N"},
		"nothing":       {func(byte, []byte, string) string { return "" }, "did not prove itself"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mutualTarget(t, tt.prove)
			if !errors.Is(err, ErrAuthentication) || !Refused(err) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), targetSecret) || strings.Contains(err.Error(), initiatorSecret)) {
				t.Errorf("the error tells a secret: %v", err)
			}
		})
	}
}

func TestCHAPRefused(t *testing.T) {
	sent := bytes.Repeat([]byte{0x5a}, 16)
	sentChallenges.add(sent)
	for name, tt := range map[string]struct {
		mutual  bool
		replies []reply
		want    error
	}{
		"None for mutual":      {true, []reply{{keys: "AuthMethod=None"}}, ErrProtocol},
		"method rejected":      {false, []reply{{keys: "AuthMethod=Reject"}}, ErrAuthentication},
		"challenge unasked":    {false, []reply{challenge5}, ErrProtocol},
		"algorithms rejected":  {false, []reply{chooseCHAP, {keys: "CHAP_A=Reject"}}, ErrAuthentication},
		"algorithm of no one":  {false, []reply{chooseCHAP, withKeys(challenge5, "CHAP_A=9 CHAP_I=1 CHAP_C=0x00")}, ErrProtocol},
		"identifier of 2 byte": {false, []reply{chooseCHAP, withKeys(challenge5, "CHAP_A=5 CHAP_I=256 CHAP_C=0x00")}, ErrProtocol},
		"no challenge":         {false, []reply{chooseCHAP, withKeys(challenge5, "CHAP_A=5 CHAP_I=1")}, ErrProtocol},
		"empty challenge":      {false, []reply{chooseCHAP, withKeys(challenge5, "CHAP_A=5 CHAP_I=1 CHAP_C=0x")}, ErrProtocol},
		"reflected challenge":  {false, []reply{chooseCHAP, withKeys(challenge5, "CHAP_A=5 CHAP_I=1 CHAP_C="+encodeCHAP(sent))}, ErrAuthentication},
		"name too early":       {false, []reply{chooseCHAP, withKeys(challenge5, challenge5.keys+" CHAP_N=nas")}, ErrProtocol},
		"second challenge":     {false, []reply{chooseCHAP, challenge5, challenge5}, ErrProtocol},
		"second method":        {false, []reply{chooseCHAP, chooseCHAP}, ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			if _, _, err := try(t, chapConfig(tt.mutual), tt.replies...); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

// TestCHAPReflected brings a challenge of ours back on another connection.
func TestCHAPReflected(t *testing.T) {
	s, err := mutualTarget(t, func(id byte, c []byte, _ string) string {
		return "CHAP_N=nas CHAP_R=" + md5Response(id, targetSecret, c)
	})
	if err != nil {
		t.Fatal(err)
	}
	ours := s.got()[2].value("CHAP_C")
	_, _, err = try(t, chapConfig(true), chooseCHAP, withKeys(challenge5, "CHAP_A=5 CHAP_I=1 CHAP_C="+ours))
	if !errors.Is(err, ErrAuthentication) || !strings.Contains(err.Error(), "our own challenge") {
		t.Errorf("got %v", err)
	}
}

func TestCHAPLongChallenge(t *testing.T) {
	challenge := bytes.Repeat([]byte{0xa5}, 1024)
	_, s, err := try(t, chapConfig(false), chooseCHAP, withKeys(challenge5, "CHAP_A=5 CHAP_I=0xff CHAP_C="+encodeCHAP(challenge)), chapPassed, welcome)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := s.got()[2].value("CHAP_R"), md5Response(255, initiatorSecret, challenge); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCheckCHAP(t *testing.T) {
	secret, other := []byte(initiatorSecret), []byte(targetSecret)
	for name, c := range map[string]CHAP{
		"no user":           {"", secret, "", nil},
		"no password":       {"host", nil, "", nil},
		"no mutual user":    {"host", secret, "", other},
		"no mutual pasword": {"host", secret, "nas", nil},
		"the same password": {"host", secret, "nas", bytes.Clone(secret)},
	} {
		cfg := testConfig()
		cfg.CHAP = &c
		if _, err := connect(context.Background(), cfg, "127.0.0.1:1"); !errors.Is(err, ErrAuthentication) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// TestSecurityUnfinished shows that no answer of the target leads past the
// authentication.
func TestSecurityUnfinished(t *testing.T) {
	s := newSecurity(&CHAP{"host", []byte("a"), "nas", []byte("b")})
	if err := s.finish(); !errors.Is(err, ErrAuthentication) {
		t.Errorf("nothing answered: got %v", err)
	}
	if err := s.receive(keySet{"AuthMethod": "CHAP"}); err != nil {
		t.Fatal(err)
	}
	if err := s.finish(); !errors.Is(err, ErrAuthentication) {
		t.Errorf("method answered: got %v", err)
	}
	s.take()
	if out, ready := s.take(); ready || out != nil {
		t.Errorf("got %v, %v", out, ready)
	}
	s = newSecurity(nil)
	if diff := cmp.Diff([]pdu.KeyValue{{Key: "AuthMethod", Value: "None"}}, s.out); diff != "" {
		t.Error(diff)
	}
}

func FuzzCHAPValue(f *testing.F) {
	for _, s := range []string{"0x00ff", "0XABcd", "0bAP8=", "0b", "0x0", "0b\n", "5", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b, err := decodeCHAP(s)
		if err != nil {
			return
		}
		if len(b) == 0 || len(b) > maxCHAPValue {
			t.Fatalf("%q: %d bytes", s, len(b))
		}
		again, err := decodeCHAP(encodeCHAP(b))
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%q: %x becomes %x, %v", s, b, again, err)
		}
	})
}
