package target

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"slices"
	"strconv"
	"strings"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// chap is the target's side of the security stage (RFC 7143, Section 12.1.3).
//
//	method ──AuthMethod=CHAP──▶ algorithm ──CHAP_A──▶ proof ──CHAP_N, CHAP_R──▶ done
//	   └──AuthMethod=None, when nothing is asked for──▶ done
type chap struct {
	want      *CHAP
	step      chapStep
	done      bool
	algorithm int
	id        byte
	challenge []byte
}

type chapStep int

const (
	stepMethod chapStep = iota
	stepAlgorithm
	stepProof
)

func (a *chap) init(want *CHAP) {
	a.want = want
	a.done = want == nil
}

// receive answers the keys of one request.
func (a *chap) receive(l *login, keys []pdu.KeyValue) ([]pdu.KeyValue, error) {
	values := map[string]string{}
	for _, kv := range keys {
		if err := l.neg.once(l, kv.Key); err != nil {
			return nil, err
		}
		if _, operational := operationalKeys[kv.Key]; operational {
			if err := l.violate(reqKeyStage, kv.Key); err != nil {
				return nil, err
			}
		}
		values[kv.Key] = kv.Value
	}
	if len(values) == 0 {
		return nil, nil
	}
	switch a.step {
	case stepMethod:
		return a.method(l, values)
	case stepAlgorithm:
		return a.pickAlgorithm(l, values)
	}
	return a.proof(l, values)
}

// method picks from AuthMethod.
func (a *chap) method(l *login, values map[string]string) ([]pdu.KeyValue, error) {
	if _, early := values["CHAP_A"]; early {
		return nil, l.violate(reqAuthOrder, "CHAP_A together with AuthMethod")
	}
	offered := strings.Split(values["AuthMethod"], ",")
	switch {
	case a.want != nil && slices.Contains(offered, "CHAP"):
		a.step = stepAlgorithm
		return []pdu.KeyValue{{Key: "AuthMethod", Value: "CHAP"}}, nil
	case a.want == nil && slices.Contains(offered, "None"):
		return []pdu.KeyValue{{Key: "AuthMethod", Value: "None"}}, nil
	case values["AuthMethod"] == "" && a.want == nil:
		return nil, nil
	}
	return nil, loginAuthFailed
}

// pickAlgorithm picks from CHAP_A and sends the challenge.
func (a *chap) pickAlgorithm(l *login, values map[string]string) ([]pdu.KeyValue, error) {
	if len(values) != 1 || values["CHAP_A"] == "" {
		return nil, l.violate(reqAuthOrder, "CHAP_A alone is due")
	}
	for v := range strings.SplitSeq(values["CHAP_A"], ",") {
		if n, err := strconv.Atoi(v); err == nil && slices.Contains(a.accepted(), n) {
			a.algorithm = n
			break
		}
	}
	if a.algorithm == 0 {
		return nil, loginAuthFailed
	}
	a.newChallenge()
	a.step = stepProof
	return []pdu.KeyValue{
		{Key: "CHAP_A", Value: strconv.Itoa(a.algorithm)},
		{Key: "CHAP_I", Value: strconv.Itoa(int(a.id))},
		{Key: "CHAP_C", Value: encodeBinary(a.challenge, a.want.Base64)},
	}, nil
}

func (a *chap) accepted() []int {
	if a.want.Algorithms != nil {
		return a.want.Algorithms
	}
	return []int{chapSHA3256, chapSHA256, chapSHA1, chapMD5}
}

func (a *chap) newChallenge() {
	n := a.want.ChallengeLength
	if n == 0 {
		n = 32
	}
	b := make([]byte, 1+n)
	rand.Read(b)
	a.id, a.challenge = b[0], b[1:]
}

// proof checks the initiator's response, and answers its challenge.
func (a *chap) proof(l *login, values map[string]string) ([]pdu.KeyValue, error) {
	if values["CHAP_N"] == "" || values["CHAP_R"] == "" {
		return nil, l.violate(reqAuthOrder, "CHAP_N and CHAP_R are due")
	}
	response, err := decodeBinary(values["CHAP_R"])
	right := chapResponse(a.algorithm, a.id, a.want.Secret, a.challenge)
	if err != nil || values["CHAP_N"] != a.want.User || subtle.ConstantTimeCompare(response, right) != 1 {
		return nil, loginAuthFailed
	}
	answers, err := a.prove(l, values)
	a.done = err == nil
	return answers, err
}

// prove answers CHAP_I and CHAP_C, if the initiator asks for the target's
// proof.
func (a *chap) prove(l *login, values map[string]string) ([]pdu.KeyValue, error) {
	id, asked := values["CHAP_I"]
	if !asked {
		return nil, nil
	}
	n, err := strconv.ParseUint(id, 0, 8)
	challenge, err2 := decodeBinary(values["CHAP_C"])
	if err != nil || err2 != nil || len(challenge) == 0 || a.want.MutualUser == "" {
		return nil, loginAuthFailed
	}
	if bytes.Equal(challenge, a.challenge) {
		return nil, l.violate(reqCHAPReflect, "")
	}
	proof := chapResponse(a.algorithm, byte(n), a.want.MutualSecret, challenge)
	return []pdu.KeyValue{
		{Key: "CHAP_N", Value: a.want.MutualUser},
		{Key: "CHAP_R", Value: encodeBinary(proof, a.want.Base64)},
	}, nil
}
