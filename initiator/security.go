package initiator

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// securityStep is how far the security stage has come.
//
//	                AuthMethod=CHAP                CHAP_A,I,C
//	methodOffered -----------------> chapOffered ------------> chapAnswered --+
//	      |                                            CHAP_N,R when mutual   |
//	      | AuthMethod=None                                                   v
//	      +---------------------------------------------------------> securityDone
type securityStep uint8

const (
	methodOffered securityStep = iota
	chapOffered
	chapAnswered
	securityDone
)

// security is the initiator's side of the security stage (RFC 7143, Section
// 12.1).
//
// Without credentials it offers None, with mutual CHAP only CHAP, since with
// None the target would prove nothing. One-way CHAP offers "CHAP,None" as
// the other initiators do: it protects the target alone, which may do without,
// and a false target could accept any answer anyway.
type security struct {
	step  securityStep
	offer string
	chap  chap
	out   []pdu.KeyValue // to be sent with the next request
}

func newSecurity(credentials *CHAP) *security {
	s := &security{offer: "None", chap: chap{credentials: credentials}}
	switch {
	case credentials == nil:
	case credentials.Mutual():
		s.offer = "CHAP"
	default:
		s.offer = "CHAP,None"
	}
	s.out = []pdu.KeyValue{{Key: "AuthMethod", Value: s.offer}}
	return s
}

// take returns the keys for the next request, and whether the initiator is
// ready to leave the stage with it.
func (s *security) take() (out []pdu.KeyValue, ready bool) {
	out, s.out = s.out, nil
	return out, s.offer == "None" || s.step >= chapAnswered
}

// receive takes the security keys of one response.
func (s *security) receive(in keySet) error {
	switch {
	case len(in) == 0:
		return nil
	case s.step == methodOffered:
		return s.method(in)
	case s.step == chapOffered:
		return s.challenge(in)
	case s.step == chapAnswered && s.chap.challenge != nil:
		s.step = securityDone
		return s.chap.prove(in)
	}
	return protocolErrorf("the target sends %s when the authentication is over", in.names())
}

// method takes the target's choice.
func (s *security) method(in keySet) error {
	if err := in.need("AuthMethod"); err != nil {
		return err
	}
	chosen := in["AuthMethod"]
	switch {
	case chosen == answerReject:
		return authError(s.rejected())
	case !(listValue{}).allows(s.offer, chosen):
		return protocolErrorf("the target chose AuthMethod=%.40q of the offer %s", chosen, s.offer)
	case chosen == "None":
		s.step = securityDone
		return nil
	}
	s.step, s.out = chapOffered, s.chap.algorithms()
	return nil
}

func (s *security) rejected() string {
	if s.offer == "None" {
		return "the target demands authentication; set the CHAP user name and password"
	}
	return "the target does not accept CHAP; does it have CHAP set up for this target?"
}

// explain says what an authentication may have failed for, by how far it has come: the
// target's status says only that it did.
func (s *security) explain(err error) error {
	why := ""
	switch {
	case !errors.Is(err, LoginAuthenticationFailure):
		return err
	case s.chap.credentials == nil:
		why = "set the CHAP user name and password"
	case s.step < chapAnswered:
		why = "does it have CHAP set up for this target?"
	case s.chap.credentials.Mutual():
		why = "the CHAP user name or the password is wrong, or it has no mutual CHAP set up"
	default:
		why = "the CHAP user name or the password is wrong"
	}
	return &explained{err.Error() + "; " + why, err}
}

func (s *security) challenge(in keySet) (err error) {
	if in["CHAP_A"] == answerReject {
		return authError("the target accepts none of the CHAP algorithms " + chapOffer())
	}
	s.step = chapAnswered
	s.out, err = s.chap.answer(in)
	return err
}

// finish checks that nothing is missing when the target leaves the stage.
func (s *security) finish() error {
	switch {
	case s.step == methodOffered && s.offer != "CHAP":
		return nil // the target passed over a method that it may choose
	case s.step == methodOffered || s.step == chapOffered:
		return authError("the target left out the authentication")
	case s.step == chapAnswered && s.chap.challenge != nil && !s.chap.proven:
		return fmt.Errorf("%w: %w", ErrAuthentication, errMutualMissing)
	}
	return nil
}

// keySet holds the security keys of one response, each at most once.
type keySet map[string]string

// isSecurityKey tells the keys of RFC 7143, Section 12, from the others.
func isSecurityKey(name string) bool {
	switch name {
	case "AuthMethod", "CHAP_A", "CHAP_I", "CHAP_C", "CHAP_N", "CHAP_R":
		return true
	}
	return false
}

func (s keySet) add(kv pdu.KeyValue) error {
	if _, twice := s[kv.Key]; twice {
		return protocolErrorf("the target sends %s twice", kv.Key)
	}
	s[kv.Key] = kv.Value
	return nil
}

// need checks that the set holds exactly the names.
func (s keySet) need(names ...string) error {
	for _, name := range names {
		if _, ok := s[name]; !ok {
			return protocolErrorf("the target's answer lacks %s", name)
		}
	}
	if len(s) > len(names) {
		return protocolErrorf("the target sends %s where only %s belong", s.names(), strings.Join(names, ", "))
	}
	return nil
}

func (s keySet) names() string { return strings.Join(slices.Sorted(maps.Keys(s)), ", ") }
