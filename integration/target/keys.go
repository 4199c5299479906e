package target

import (
	"slices"
	"strconv"
	"strings"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// operationalKey is how one key is negotiated. settle stores the outcome and
// returns the answer, "" for a declaration; false when the value is not
// allowed.
type operationalKey struct {
	notInDiscovery bool
	settle         func(n *negotiator, value string) (answer string, ok bool)
}

// operationalKeys are the keys of RFC 7143, Section 13, with their result
// functions.
var operationalKeys = map[string]operationalKey{
	"HeaderDigest":        {false, digest(func(p *Params) []string { return p.HeaderDigest }, func(n *negotiated) *bool { return &n.HeaderDigest })},
	"DataDigest":          {false, digest(func(p *Params) []string { return p.DataDigest }, func(n *negotiated) *bool { return &n.DataDigest })},
	"InitialR2T":          {true, or(func(p *Params) bool { return p.InitialR2T }, func(n *negotiated) *bool { return &n.InitialR2T })},
	"ImmediateData":       {true, and(func(p *Params) bool { return p.ImmediateData }, func(n *negotiated) *bool { return &n.ImmediateData })},
	"DataPDUInOrder":      {true, or(func(p *Params) bool { return p.DataPDUInOrder }, func(n *negotiated) *bool { return &n.DataPDUInOrder })},
	"DataSequenceInOrder": {true, or(func(p *Params) bool { return p.DataSequenceInOrder }, func(n *negotiated) *bool { return &n.DataSequenceInOrder })},
	"MaxBurstLength":      {true, number(512, pdu.MaxDataSegmentLength, lower, func(p *Params) int { return p.MaxBurstLength }, func(n *negotiated) *int { return &n.MaxBurstLength })},
	"FirstBurstLength":    {true, number(512, pdu.MaxDataSegmentLength, lower, func(p *Params) int { return p.FirstBurstLength }, func(n *negotiated) *int { return &n.FirstBurstLength })},
	"MaxOutstandingR2T":   {true, number(1, 65535, lower, func(p *Params) int { return p.MaxOutstandingR2T }, func(n *negotiated) *int { return &n.MaxOutstandingR2T })},
	"MaxConnections":      {true, number(1, 65535, lower, func(p *Params) int { return p.MaxConnections }, func(n *negotiated) *int { return &n.MaxConnections })},
	"DefaultTime2Wait":    {false, number(0, 3600, higher, func(p *Params) int { return p.DefaultTime2Wait }, func(n *negotiated) *int { return &n.DefaultTime2Wait })},
	"DefaultTime2Retain":  {false, number(0, 3600, lower, func(p *Params) int { return p.DefaultTime2Retain }, discard)},
	"ErrorRecoveryLevel":  {false, number(0, 2, lower, func(p *Params) int { return p.ErrorRecoveryLevel }, discard)},

	"MaxRecvDataSegmentLength": {false, declareMaxRecv},
	"TaskReporting":            {true, always("RFC3720")},
	"iSCSIProtocolLevel":       {true, always("1")},
	// A key of RFC 3720 "SHOULD" be answered with Reject, may be with No, and must not be
	// with NotUnderstood: Section 13.25.
	"IFMarker": {true, always("No")},
	"OFMarker": {true, always("No")},
}

func lower(a, b int) int  { return min(a, b) }
func higher(a, b int) int { return max(a, b) }

func discard(*negotiated) *int { return new(int) }

// number is a key whose result function picks from two numbers in a range.
func number(low, high int, pick func(a, b int) int, ours func(*Params) int, out func(*negotiated) *int) func(*negotiator, string) (string, bool) {
	return func(n *negotiator, value string) (string, bool) {
		v, err := strconv.ParseInt(value, 0, 32)
		if err != nil || int(v) < low || int(v) > high {
			return "", false
		}
		result := pick(int(v), ours(&n.params))
		*out(&n.result) = result
		return strconv.Itoa(result), true
	}
}

func or(ours func(*Params) bool, out func(*negotiated) *bool) func(*negotiator, string) (string, bool) {
	return boolean(func(a, b bool) bool { return a || b }, ours, out)
}

func and(ours func(*Params) bool, out func(*negotiated) *bool) func(*negotiator, string) (string, bool) {
	return boolean(func(a, b bool) bool { return a && b }, ours, out)
}

func boolean(join func(a, b bool) bool, ours func(*Params) bool, out func(*negotiated) *bool) func(*negotiator, string) (string, bool) {
	return func(n *negotiator, value string) (string, bool) {
		if value != "Yes" && value != "No" {
			return "", false
		}
		result := join(value == "Yes", ours(&n.params))
		*out(&n.result) = result
		return yesNo(result), true
	}
}

// digest is a list key: the first value of the initiator that the target
// accepts too.
func digest(ours func(*Params) []string, out func(*negotiated) *bool) func(*negotiator, string) (string, bool) {
	return func(n *negotiator, value string) (string, bool) {
		for v := range strings.SplitSeq(value, ",") {
			if slices.Contains(ours(&n.params), v) {
				*out(&n.result) = v == "CRC32C"
				return v, true
			}
		}
		return "", false
	}
}

func declareMaxRecv(n *negotiator, value string) (string, bool) {
	v, err := strconv.ParseInt(value, 0, 32)
	if err != nil || v < 512 || v > pdu.MaxDataSegmentLength {
		return "", false
	}
	n.result.maxSend = int(v)
	n.result.results["MaxRecvDataSegmentLength"] = value
	return "", true
}

func always(answer string) func(*negotiator, string) (string, bool) {
	return func(*negotiator, string) (string, bool) { return answer, true }
}

func yesNo(b bool) string {
	if b {
		return "Yes"
	}
	return "No"
}
