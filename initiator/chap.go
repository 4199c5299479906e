package initiator

import (
	"bytes"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// chap answers the target's challenge and, with mutual credentials, has the
// target answer one (RFC 7143, Section 12.1.3):
//
//	I -> CHAP_A=list                     algorithms
//	T -> CHAP_A, CHAP_I, CHAP_C          challenged
//	I -> CHAP_N, CHAP_R [CHAP_I, CHAP_C] answered
//	T -> [CHAP_N, CHAP_R]                proven
type chap struct {
	credentials *CHAP
	algorithm   chapAlgorithm
	response    []byte // what we sent
	id          byte   // of our challenge
	challenge   []byte // ours; nil when the target need not prove itself
	proven      bool   // the target answered our challenge
}

// checkCHAP refuses credentials that cannot work or prove nothing.
func checkCHAP(c *CHAP) error {
	switch {
	case c.Username == "" || len(c.Secret) == 0:
		return authError("CHAP needs both a user name and a password")
	case !c.Mutual():
		return nil
	case c.MutualUsername == "" || len(c.MutualSecret) == 0:
		return authError("mutual CHAP needs both a user name and a password of the target")
	// RFC 7143, Section 9.2.1: the same secret must not serve both directions,
	// or the target could have the initiator answer the initiator's challenge.
	case subtle.ConstantTimeCompare(c.Secret, c.MutualSecret) == 1:
		return authError("the CHAP password and the mutual CHAP password are the same; give the target one of its own")
	}
	return nil
}

// algorithms begins the exchange. CHAP_A goes alone in its PDU: some targets
// look for nothing else there.
func (c *chap) algorithms() []pdu.KeyValue {
	return []pdu.KeyValue{{Key: "CHAP_A", Value: chapOffer()}}
}

// answer takes the target's challenge and returns the keys that answer it.
func (c *chap) answer(in keySet) ([]pdu.KeyValue, error) {
	id, challenge, err := c.readChallenge(in)
	if err != nil {
		return nil, err
	}
	c.response = c.algorithm.response(id, c.credentials.Secret, challenge)
	out := []pdu.KeyValue{
		{Key: "CHAP_N", Value: c.credentials.Username},
		{Key: "CHAP_R", Value: encodeCHAP(c.response)},
	}
	if !c.credentials.Mutual() {
		return out, nil
	}
	if err := c.newChallenge(id, challenge); err != nil {
		return nil, err
	}
	return append(out,
		pdu.KeyValue{Key: "CHAP_I", Value: strconv.Itoa(int(c.id))},
		pdu.KeyValue{Key: "CHAP_C", Value: encodeCHAP(c.challenge)}), nil
}

func (c *chap) readChallenge(in keySet) (id byte, challenge []byte, err error) {
	if err := in.need("CHAP_A", "CHAP_I", "CHAP_C"); err != nil {
		return 0, nil, err
	}
	if c.algorithm, err = findCHAPAlgorithm(in["CHAP_A"]); err != nil {
		return 0, nil, err
	}
	n, err := parseNumber(in["CHAP_I"])
	if err != nil || n > 255 {
		return 0, nil, protocolErrorf("the target sends CHAP_I=%.20q, no number from 0 to 255", in["CHAP_I"])
	}
	challenge, err = decodeCHAP(in["CHAP_C"])
	if err != nil {
		return 0, nil, protocolErrorf("the challenge in the target's CHAP_C is unusable: %v", err)
	}
	// RFC 7143, Section 9.2.1: a challenge that this initiator has sent itself,
	// on this connection or another, must not be answered.
	if sentChallenges.contains(challenge) {
		return 0, nil, authError("the target sent our own challenge back; it cannot be trusted")
	}
	return byte(n), challenge, nil
}

// newChallenge makes ours, as long as the hash: longer ones add nothing, and
// some targets have small buffers.
func (c *chap) newChallenge(theirID byte, theirs []byte) error {
	c.id = theirID + 1
	c.challenge = make([]byte, c.algorithm.size())
	rand.Read(c.challenge) // never fails
	if bytes.Equal(c.challenge, theirs) {
		return authError("the target knew our challenge in advance")
	}
	sentChallenges.add(c.challenge)
	return nil
}

// prove checks the target's answer to our challenge.
func (c *chap) prove(in keySet) error {
	if err := in.need("CHAP_N", "CHAP_R"); err != nil {
		return fmt.Errorf("%w: %w", ErrAuthentication, err)
	}
	got, err := decodeCHAP(in["CHAP_R"])
	if err != nil {
		return authError("the target's CHAP_R is unusable: " + err.Error())
	}
	want := c.algorithm.response(c.id, c.credentials.MutualSecret, c.challenge)
	switch {
	case subtle.ConstantTimeCompare([]byte(in["CHAP_N"]), []byte(c.credentials.MutualUsername)) != 1:
		return authError(fmt.Sprintf("the target calls itself %q, not by the mutual CHAP user name of the configuration",
			printable(in["CHAP_N"])))
	case subtle.ConstantTimeCompare(got, c.response) == 1:
		return authError("the target sent our own response back; it cannot be trusted")
	case subtle.ConstantTimeCompare(got, want) != 1:
		return authError("the target does not know the mutual CHAP password; is it the same on both sides?")
	}
	c.proven = true
	return nil
}

// authError returns an ErrAuthentication with its reason.
func authError(reason string) error {
	return fmt.Errorf("%w: %s", ErrAuthentication, reason)
}

var errMutualMissing = errors.New("the target did not prove itself, which mutual CHAP demands")
