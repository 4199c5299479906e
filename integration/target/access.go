package target

import "encoding/binary"

// AccessState is the asymmetric access state of a portal group (SPC-4, Section
// 5.15.2.4), with the values of REPORT TARGET PORT GROUPS.
type AccessState uint8

// The asymmetric access states (SPC-4, Section 6.37).
const (
	ActiveOptimized    AccessState = 0x0
	ActiveNonOptimized AccessState = 0x1
	Standby            AccessState = 0x2
	Unavailable        AccessState = 0x3
	Offline            AccessState = 0xe
	Transitioning      AccessState = 0xf
)

// SetAccessState changes the state of a portal group for all LUNs, as the target
// does by itself (implicit), and tells every I_T nexus with the unit attention
// 2A/06.
func (t *Target) SetAccessState(tag uint16, state AccessState) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.access[tag] == state {
		return
	}
	t.access[tag] = state
	t.alarm(ascAccessStateChanged)
}

// FailTransition tells every I_T nexus with 2A/07 that a change of states which
// the target began by itself has failed.
func (t *Target) FailTransition() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.alarm(ascTransitionFailed)
}

// alarm queues a unit attention of all LUNs. Requires Target.mu.
func (t *Target) alarm(a asc) {
	for _, n := range t.nodes {
		for _, l := range n.luns {
			l.QueueUnitAttention(a.code, a.qualifier)
		}
	}
}

// reach says in which states other than the active ones a command is carried
// out.
type reach uint8

const (
	inActive      reach = iota
	inStandby           // SPC-4, Section 5.15.2.4.4
	inUnavailable       // SPC-4, Section 5.15.2.4.5, and in standby and in transition
)

// checkAccess refuses a command that the state of the portal group does not
// allow.
func (k *task) checkAccess() *result {
	var needed reach
	var refusal asc
	switch k.s.t.access[k.s.tag] {
	case ActiveOptimized, ActiveNonOptimized:
		return nil
	case Standby:
		needed, refusal = inStandby, ascStandby
	case Unavailable:
		needed, refusal = inUnavailable, ascUnavailable
	case Transitioning:
		needed, refusal = inUnavailable, ascTransition
	default:
		needed, refusal = inUnavailable, ascOffline
	}
	if k.op.reach >= needed {
		return nil
	}
	return checkCondition(senseNotReady, refusal)
}

// saReportTargetPortGroups is the service action of MAINTENANCE IN.
const saReportTargetPortGroups = 0x0a

// maintenanceIn carries out REPORT TARGET PORT GROUPS (SPC-4, Section 6.37).
func maintenanceIn(x *call) *result {
	const extended = 1
	format := x.cdb[1] >> 5
	switch {
	case x.t.cfg.TPGS == 0 || x.cdb[1]&0x1f != saReportTargetPortGroups:
		return checkCondition(senseIllegalRequest, ascInvalidOpcode)
	case format > extended:
		return checkCondition(senseIllegalRequest, ascInvalidField)
	}
	b := make([]byte, 4)
	if format == extended {
		b = append(b, extended<<4, byte(implicitTransitionTime), 0, 0)
	}
	for _, tag := range x.t.tags() {
		b = append(b, x.t.portGroup(tag)...)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return truncated(b, bigEndian(x.cdb[6:10]))
}

// implicitTransitionTime is what the extended header promises, in seconds.
const implicitTransitionTime = 5

// portGroup is a target port group descriptor. The tag of the portal group is
// its number, and it has one port.
func (t *Target) portGroup(tag uint16) []byte {
	const allStates = 0xcf // T_SUP, O_SUP, U_SUP, S_SUP, AN_SUP, AO_SUP
	b := []byte{byte(t.access[tag]), allStates}
	b = binary.BigEndian.AppendUint16(b, tag)
	b = append(b, 0, 0, 0, 1, 0, 0)
	return binary.BigEndian.AppendUint16(b, t.relativePort(tag))
}
