package target

import (
	"slices"
	"strconv"
	"strings"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// negotiated are the operational parameters of a session; lengths in bytes.
type negotiated struct {
	HeaderDigest, DataDigest            bool
	InitialR2T, ImmediateData           bool
	DataPDUInOrder, DataSequenceInOrder bool
	MaxBurstLength, FirstBurstLength    int
	MaxOutstandingR2T, MaxConnections   int
	DefaultTime2Wait                    int
	maxSend                             int // the initiator's MaxRecvDataSegmentLength
	results                             map[string]string
}

// negotiator answers the operational keys of one login (RFC 7143, Section 6.2).
type negotiator struct {
	params   Params
	offers   []pdu.KeyValue
	offered  map[string]string
	seen     map[string]bool
	declared bool   // MaxRecvDataSegmentLength has been told
	announce bool   // the portal group tag has not been told
	last     []byte // the last piece of the answer at hand
	result   negotiated
}

// init starts from the defaults of RFC 7143, Section 13.
func (n *negotiator) init(c *conn) {
	n.params = c.t.params
	n.offers = c.t.cfg.Offers
	n.offered = map[string]string{}
	n.seen = map[string]bool{}
	n.announce = true
	n.result = negotiated{
		InitialR2T: true, ImmediateData: true, DataPDUInOrder: true, DataSequenceInOrder: true,
		MaxBurstLength: 262144, FirstBurstLength: 65536, MaxOutstandingR2T: 1, MaxConnections: 1,
		DefaultTime2Wait: 2, maxSend: defaultMaxRecv,
		results: map[string]string{},
	}
}

// once notes a key that comes a second time.
func (n *negotiator) once(l *login, key string) error {
	if n.seen[key] {
		return l.violate(reqKeyTwice, key)
	}
	n.seen[key] = true
	return nil
}

// receive answers keys of the operational stage.
func (n *negotiator) receive(l *login, keys []pdu.KeyValue) ([]pdu.KeyValue, error) {
	var answers []pdu.KeyValue
	for _, kv := range keys {
		if err := n.once(l, kv.Key); err != nil {
			return nil, err
		}
		value, err := n.key(l, kv)
		if err != nil {
			return nil, err
		}
		if _, answered := n.offered[kv.Key]; value != "" && !answered {
			answers = append(answers, pdu.KeyValue{Key: kv.Key, Value: value})
		}
	}
	return append(answers, n.ownKeys(l)...), nil
}

// ownKeys are what the target brings up itself, once.
func (n *negotiator) ownKeys(l *login) (keys []pdu.KeyValue) {
	if n.declared {
		return nil
	}
	n.declared = true
	keys = append(keys, pdu.KeyValue{Key: "MaxRecvDataSegmentLength", Value: strconv.Itoa(n.params.MaxRecvDataSegmentLength)})
	if n.params.TargetAlias != "" && !l.discovery {
		keys = append(keys, pdu.KeyValue{Key: "TargetAlias", Value: n.params.TargetAlias})
	}
	for _, kv := range n.offers {
		if !n.seen[kv.Key] {
			n.offered[kv.Key] = kv.Value
			keys = append(keys, kv)
		}
	}
	return keys
}

// key returns the answer to one key, "" for a declaration.
func (n *negotiator) key(l *login, kv pdu.KeyValue) (string, error) {
	if kv.Key == "AuthMethod" || strings.HasPrefix(kv.Key, "CHAP_") {
		return "Reject", l.violate(reqKeyStage, kv.Key)
	}
	k, known := operationalKeys[kv.Key]
	if !known {
		// "If a key is not understood, the answer is NotUnderstood": 6.1.
		return "NotUnderstood", nil
	}
	if l.discovery && k.notInDiscovery {
		return "Irrelevant", nil
	}
	if slices.Contains([]string{"Irrelevant", "NotUnderstood", "Reject"}, kv.Value) {
		return "", nil
	}
	value, ok := k.settle(n, kv.Value)
	if !ok {
		return "Reject", l.violate(reqKeyValue, kv.Key+"="+kv.Value)
	}
	if value != "" {
		n.result.results[kv.Key] = value
	}
	return value, nil
}
