package initiator

import (
	"errors"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// negotiation exchanges the keys of one login and keeps what was agreed. Each
// key goes through
//
//	untouched --offer--> offered --answer--> concluded
//	untouched --target's offer, our answer---^
//
// and a key that was concluded may not come again.
type negotiation struct {
	cfg       *Config
	params    Params
	offered   map[string]string // what we offered, until it is answered
	concluded map[string]bool
	agreed    map[string]bool // concluded with a value
	answers   []pdu.KeyValue  // to the target's offers, not yet sent
}

func newNegotiation(cfg *Config) *negotiation {
	return &negotiation{
		cfg:       cfg,
		params:    DefaultParams(),
		offered:   make(map[string]string),
		concluded: make(map[string]bool),
		agreed:    make(map[string]bool),
	}
}

// names returns the keys that only the first PDU of a login carries.
func (n *negotiation) names() []pdu.KeyValue { return n.send(firstPDU) }

// offers returns the operational keys.
func (n *negotiation) offers() []pdu.KeyValue {
	offers := n.send(anySession)
	if !n.cfg.discovery() {
		offers = append(offers, n.send(normalSession)...)
	}
	return offers
}

// send notes and returns what this initiator says of the keys of one scope.
func (n *negotiation) send(scope keyScope) []pdu.KeyValue {
	var out []pdu.KeyValue
	for i := range loginKeys {
		k := &loginKeys[i]
		if k.scope != scope || k.use == negotiated && n.concluded[k.name] {
			continue
		}
		if v := k.ours(n.cfg); v != "" {
			out = append(out, pdu.KeyValue{Key: k.name, Value: v})
			n.noteSent(k, v)
		}
	}
	return out
}

func (n *negotiation) noteSent(k *keySpec, v string) {
	if k.use == negotiated {
		n.offered[k.name] = v
	}
	if k.sent != nil {
		k.sent(&n.params, v)
	}
}

// takeAnswers returns the answers that the target waits for, once.
func (n *negotiation) takeAnswers() []pdu.KeyValue {
	answers := n.answers
	n.answers = nil
	return answers
}

// receive takes one key of the target.
func (n *negotiation) receive(kv pdu.KeyValue) error {
	// RFC 7143, Section 6.3: no key may be declared or negotiated more than
	// once in a login.
	if n.concluded[kv.Key] {
		return protocolErrorf("the target negotiates %s twice", printable(kv.Key))
	}
	n.concluded[kv.Key] = true
	if len(kv.Value) > pdu.MaxValueLength {
		return protocolErrorf("the value of %s has %d bytes, more than %d", printable(kv.Key), len(kv.Value), pdu.MaxValueLength)
	}
	k := keysByName[kv.Key]
	switch {
	case k == nil:
		n.answerUnknown(kv)
		return nil
	case k.sender == byInitiator:
		return protocolErrorf("the target sends %s, which is for initiators", k.name)
	case k.use == obsolete:
		n.answer(k.name, answerReject)
		return nil
	case k.use == declared:
		return n.note(k, kv.Value)
	}
	return n.negotiate(k, kv.Value)
}

// answerUnknown leaves answers alone: to answer those would never end.
func (n *negotiation) answerUnknown(kv pdu.KeyValue) {
	if !isNoValue(kv.Value) {
		n.answer(kv.Key, answerNotUnderstood)
	}
}

func (n *negotiation) answer(key, value string) {
	n.answers = append(n.answers, pdu.KeyValue{Key: key, Value: value})
}

// note takes a value that needs no answer. One of the words that mean no
// value leaves the default.
func (n *negotiation) note(k *keySpec, v string) error {
	if isNoValue(v) {
		return nil
	}
	if err := k.values.check(v); err != nil {
		return protocolErrorf("the target says %s=%q: %v", k.name, v, err)
	}
	n.agreed[k.name] = true
	if k.set != nil {
		k.set(&n.params, v)
	}
	return nil
}

func (n *negotiation) negotiate(k *keySpec, v string) error {
	offer, offered := n.offered[k.name]
	if !offered {
		return n.answerOffer(k, v)
	}
	delete(n.offered, k.name)
	if err := n.note(k, v); err != nil || isNoValue(v) {
		return err
	}
	if !k.values.allows(offer, v) && !k.isDefaultChoice(v) {
		return protocolErrorf("the target answers %s=%q to the offer %q", k.name, v, offer)
	}
	return nil
}

// answerOffer answers a negotiation that the target began.
func (n *negotiation) answerOffer(k *keySpec, offer string) error {
	if isNoValue(offer) {
		return nil
	}
	if err := k.values.check(offer); err != nil {
		return protocolErrorf("the target offers %s=%q: %v", k.name, offer, err)
	}
	result := answerIrrelevant
	if k.scope != normalSession || !n.cfg.discovery() {
		result = k.values.answer(offer, k.ours(n.cfg))
	}
	n.answer(k.name, result)
	return n.note(k, result)
}

// finish returns what was agreed, after the checks that concern several keys.
func (n *negotiation) finish() (Params, error) {
	if err := n.checkDigests(); err != nil {
		return Params{}, err
	}
	// RFC 7143, Section 13.14: "FirstBurstLength MUST NOT exceed
	// MaxBurstLength." A default that nobody spoke of gives way.
	p := n.params
	if p.FirstBurstLength > p.MaxBurstLength {
		if n.agreed["FirstBurstLength"] {
			return Params{}, protocolErrorf("the target answers FirstBurstLength=%d, more than MaxBurstLength=%d",
				p.FirstBurstLength, p.MaxBurstLength)
		}
		p.FirstBurstLength = p.MaxBurstLength
	}
	return p, nil
}

var errDigest = errors.New("the target does not agree to a digest that the configuration demands")

// checkDigests fails when a digest that is demanded did not come about:
// refused, not understood or passed over.
func (n *negotiation) checkDigests() error {
	for _, d := range []struct {
		name   string
		policy DigestPolicy
		agreed bool
	}{
		{"HeaderDigest", n.cfg.HeaderDigest, n.params.HeaderDigest},
		{"DataDigest", n.cfg.DataDigest, n.params.DataDigest},
	} {
		if d.policy == DigestCRC32C && !d.agreed && !n.cfg.discovery() {
			return fmt.Errorf("%w: %s=CRC32C", errDigest, d.name)
		}
	}
	return nil
}
