package initiator

import (
	"strconv"
	"strings"
	"unicode"
)

// What an initiator offers where the standard's default is too small for a
// disk. Lengths in bytes.
const (
	offeredReceiveLength   = 262144 // one Data-In PDU
	discoveryReceiveLength = 32768
	// One burst may cover any command; targets lower it to what they buffer.
	offeredMaxBurst       = 16776192
	offeredFirstBurst     = 262144
	offeredOutstandingR2T = 8
)

// keyUse says how a key is used (RFC 7143, Section 6.2).
type keyUse uint8

const (
	negotiated keyUse = iota // an offer and an answer
	declared                 // said by one side for itself, not answered
	obsolete                 // answered with Reject
)

// keySender says who may send a key.
type keySender uint8

const (
	byBoth keySender = iota
	byInitiator
	byTarget
)

// keyScope says where in a login this initiator sends a key.
type keyScope uint8

const (
	// answerOnly keys are left alone unless the target begins.
	answerOnly keyScope = iota
	// firstPDU keys name the two sides, once, in the first request.
	firstPDU
	// anySession keys are offered at the start of operational negotiation.
	anySession
	// normalSession keys are too; a discovery session has no use for them.
	normalSession
)

// keySpec is one text key of RFC 7143, Section 13.
type keySpec struct {
	name   string
	use    keyUse
	sender keySender
	scope  keyScope
	def    string // what holds when the key is not exchanged; empty: nothing
	values valueType
	// ours returns what this initiator wants; empty: the key is not sent.
	ours func(*Config) string
	// sent notes a value that this initiator declared; may be nil.
	sent func(*Params, string)
	// set notes the result, or what the target declared; may be nil.
	set func(*Params, string)
}

// loginKeys are all keys of a login but those of the security stage, in the order
// in which they are sent.
//
// DataSequenceInOrder is offered as No, because data are put where their
// offset says: a target that wants order answers Yes, and any other may ask
// for the parts of a write as it likes.
var loginKeys = []keySpec{
	{name: "InitiatorName", use: declared, sender: byInitiator, scope: firstPDU, values: textValue{},
		ours: func(c *Config) string { return c.InitiatorName }},
	{name: "InitiatorAlias", use: declared, sender: byInitiator, scope: firstPDU, values: textValue{},
		ours: func(c *Config) string { return printable(c.InitiatorAlias) }},
	{name: "SessionType", use: declared, sender: byInitiator, scope: firstPDU, def: "Normal", values: listValue{},
		ours: sessionType},
	{name: "TargetName", use: declared, sender: byInitiator, scope: firstPDU, values: textValue{},
		ours: func(c *Config) string { return c.TargetName }},
	{name: "SendTargets", use: declared, sender: byInitiator, scope: answerOnly, values: textValue{}}, // full feature phase only

	{name: "TargetAlias", use: declared, sender: byTarget, values: textValue{},
		set: func(p *Params, v string) { p.TargetAlias = printable(v) }},
	{name: "TargetAddress", use: declared, sender: byTarget, values: textValue{}}, // read by redirects
	{name: "TargetPortalGroupTag", use: declared, sender: byTarget, values: numberValue{min: 0, max: 65535},
		set: setNumber(func(p *Params) *int { return &p.TargetPortalGroupTag })},

	{name: "HeaderDigest", scope: anySession, def: "None", values: listValue{},
		ours: func(c *Config) string { return digestOffer(c, c.HeaderDigest) },
		set:  func(p *Params, v string) { p.HeaderDigest = v == "CRC32C" }},
	{name: "DataDigest", scope: anySession, def: "None", values: listValue{},
		ours: func(c *Config) string { return digestOffer(c, c.DataDigest) },
		set:  func(p *Params, v string) { p.DataDigest = v == "CRC32C" }},
	{name: "MaxRecvDataSegmentLength", use: declared, scope: anySession, def: "8192",
		values: numberValue{min: 512, max: 1<<24 - 1},
		ours:   receiveLength,
		sent:   setNumber(func(p *Params) *int { return &p.MaxRecvDataSegmentLength }),
		set:    setNumber(func(p *Params) *int { return &p.MaxXmitDataSegmentLength })},
	{name: "DefaultTime2Wait", scope: anySession, def: "2", values: numberValue{min: 0, max: 3600, larger: true},
		ours: always("2"), set: setNumber(func(p *Params) *int { return &p.DefaultTime2Wait })},
	{name: "DefaultTime2Retain", scope: anySession, def: "20", values: numberValue{min: 0, max: 3600},
		ours: always("0"), set: setNumber(func(p *Params) *int { return &p.DefaultTime2Retain })},
	{name: "ErrorRecoveryLevel", scope: anySession, def: "0", values: numberValue{min: 0, max: 2},
		ours: always("0"), set: setNumber(func(p *Params) *int { return &p.ErrorRecoveryLevel })},

	{name: "MaxConnections", scope: normalSession, def: "1", values: numberValue{min: 1, max: 65535},
		ours: always("1"), set: setNumber(func(p *Params) *int { return &p.MaxConnections })},
	{name: "InitialR2T", scope: normalSession, def: "Yes", values: booleanValue{or: true},
		ours: always("No"), set: setBool(func(p *Params) *bool { return &p.InitialR2T })},
	{name: "ImmediateData", scope: normalSession, def: "Yes", values: booleanValue{},
		ours: always("Yes"), set: setBool(func(p *Params) *bool { return &p.ImmediateData })},
	{name: "MaxBurstLength", scope: normalSession, def: "262144", values: numberValue{min: 512, max: 1<<24 - 1},
		ours: alwaysNumber(offeredMaxBurst), set: setNumber(func(p *Params) *int { return &p.MaxBurstLength })},
	{name: "FirstBurstLength", scope: normalSession, def: "65536", values: numberValue{min: 512, max: 1<<24 - 1},
		ours: alwaysNumber(offeredFirstBurst), set: setNumber(func(p *Params) *int { return &p.FirstBurstLength })},
	{name: "MaxOutstandingR2T", scope: normalSession, def: "1", values: numberValue{min: 1, max: 65535},
		ours: alwaysNumber(offeredOutstandingR2T), set: setNumber(func(p *Params) *int { return &p.MaxOutstandingR2T })},
	{name: "DataPDUInOrder", scope: normalSession, def: "Yes", values: booleanValue{or: true},
		ours: always("Yes"), set: setBool(func(p *Params) *bool { return &p.DataPDUInOrder })},
	{name: "DataSequenceInOrder", scope: normalSession, def: "Yes", values: booleanValue{or: true},
		ours: always("No"), set: setBool(func(p *Params) *bool { return &p.DataSequenceInOrder })},

	// Level 1 is RFC 7143; what a higher one adds (RFC 7144) is not used.
	{name: "iSCSIProtocolLevel", scope: answerOnly, def: "1", values: numberValue{min: 0, max: 31}, ours: always("1")},
	{name: "TaskReporting", scope: answerOnly, def: "RFC3720", values: listValue{}, ours: always("RFC3720")},

	// RFC 7143, Section 13.25: Reject, and never NotUnderstood.
	{name: "IFMarker", use: obsolete},
	{name: "OFMarker", use: obsolete},
	{name: "IFMarkInt", use: obsolete},
	{name: "OFMarkInt", use: obsolete},
}

// isDefaultChoice tells whether v is the default of a list, which targets answer
// when they like nothing of the offer, whether it was offered or not.
func (k *keySpec) isDefaultChoice(v string) bool {
	_, list := k.values.(listValue)
	return list && v == k.def
}

var keysByName = func() map[string]*keySpec {
	byName := make(map[string]*keySpec, len(loginKeys))
	for i := range loginKeys {
		byName[loginKeys[i].name] = &loginKeys[i]
	}
	return byName
}()

func always(v string) func(*Config) string { return func(*Config) string { return v } }

func alwaysNumber(n int) func(*Config) string { return always(strconv.Itoa(n)) }

func setNumber(field func(*Params) *int) func(*Params, string) {
	return func(p *Params, v string) { *field(p) = mustNumber(v) }
}

func setBool(field func(*Params) *bool) func(*Params, string) {
	return func(p *Params, v string) { *field(p) = v == "Yes" }
}

func sessionType(c *Config) string {
	if c.discovery() {
		return "Discovery"
	}
	return "Normal"
}

func receiveLength(c *Config) string {
	if c.discovery() {
		return strconv.Itoa(discoveryReceiveLength)
	}
	return strconv.Itoa(offeredReceiveLength)
}

// digestOffer leaves digests out of discovery sessions, which are short and
// carry no data of a disk.
func digestOffer(c *Config, policy DigestPolicy) string {
	switch {
	case c.discovery() || policy == DigestNone:
		return "None"
	case policy == DigestCRC32C:
		return "CRC32C"
	}
	return "CRC32C,None"
}

// printable makes text harmless for terminals and logs.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
