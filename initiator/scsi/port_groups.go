package scsi

import (
	"encoding/binary"
	"slices"
)

// AccessState is the asymmetric access state of a target port group for a
// logical unit (SPC-4, section 5.15.2.4), with the values of REPORT TARGET PORT
// GROUPS (section 6.37).
type AccessState uint8

// Asymmetric access states.
const (
	ActiveOptimized       AccessState = 0x0
	ActiveNonOptimized    AccessState = 0x1 // every command works, some slower
	Standby               AccessState = 0x2 // the medium is not reached
	Unavailable           AccessState = 0x3 // little more than INQUIRY works
	LogicalBlockDependent AccessState = 0x4 // optimized for some blocks
	Offline               AccessState = 0xe // the port does not work
	Transitioning         AccessState = 0xf // between two states
)

var accessStateNames = map[AccessState]string{
	ActiveOptimized:       "active/optimized",
	ActiveNonOptimized:    "active/non-optimized",
	Standby:               "standby",
	Unavailable:           "unavailable",
	LogicalBlockDependent: "logical block dependent",
	Offline:               "offline",
	Transitioning:         "transitioning",
}

// String returns the state's name as the standard writes it.
func (s AccessState) String() string {
	if name, ok := accessStateNames[s]; ok {
		return name
	}
	return unknown(uint64(s))
}

// Active tells whether commands that use the medium work in the state.
func (s AccessState) Active() bool {
	return s == ActiveOptimized || s == ActiveNonOptimized || s == LogicalBlockDependent
}

// Values of InquiryData.TPGS.
const (
	TPGSImplicit = 1 << iota // the target changes states by itself
	TPGSExplicit             // SET TARGET PORT GROUPS changes them
)

// TargetPortGroup is one target port group descriptor (SPC-4, section 6.37).
type TargetPortGroup struct {
	ID        uint16 // TARGET PORT GROUP
	State     AccessState
	Preferred bool     // PREF
	Ports     []uint16 // relative target port identifiers
}

const (
	portGroupsHeader = 4
	portGroupHeader  = 8
	portSize         = 4
)

// ParseTargetPortGroups reads the parameter data of REPORT TARGET PORT GROUPS
// (SPC-4, section 6.37) in the length only format. total is what the whole list
// needs in bytes, header included, by its own account: if it is above len(b), ask
// again with that allocation length. If a descriptor runs past the end, those
// before it are returned together with the error.
func ParseTargetPortGroups(b []byte) (groups []TargetPortGroup, total int, err error) {
	if len(b) < portGroupsHeader {
		return nil, 0, tooShort("target port groups", len(b), portGroupsHeader)
	}
	length := uint64(binary.BigEndian.Uint32(b))
	list := b[portGroupsHeader:]
	if length < uint64(len(list)) {
		list = list[:length]
	}
	total = int(min(portGroupsHeader+length, 1<<31-1))
	for len(list) > 0 {
		size := portGroupHeader
		if len(list) >= portGroupHeader {
			size += portSize * int(list[7])
		}
		if len(list) < size {
			return groups, total, malformed("target port groups: descriptor %d runs past the end", len(groups))
		}
		groups = append(groups, parsePortGroup(list[:size]))
		list = list[size:]
	}
	return groups, total, nil
}

func parsePortGroup(d []byte) TargetPortGroup {
	g := TargetPortGroup{
		ID:        binary.BigEndian.Uint16(d[2:]),
		State:     AccessState(d[0] & 0x0f),
		Preferred: d[0]&0x80 != 0,
	}
	for ports := d[portGroupHeader:]; len(ports) > 0; ports = ports[portSize:] {
		g.Ports = append(g.Ports, binary.BigEndian.Uint16(ports[2:]))
	}
	return g
}

// TargetPort says which target port a Device Identification page came through
// (SPC-4, sections 7.8.6.7 and 7.8.6.8). What a target leaves out is 0, which
// both identifiers never are: relative ones by section 7.8.6.7, groups only by
// custom, so that HasGroup tells.
type TargetPort struct {
	Relative uint16 // relative target port identifier
	Group    uint16 // target port group
	HasGroup bool
}

// TargetPortOf finds the target port in the designators of page 83h.
func TargetPortOf(list []Designator) (p TargetPort) {
	for _, d := range list {
		if d.Association != AssociationTargetPort || len(d.Value) != 4 {
			continue
		}
		id := binary.BigEndian.Uint16(d.Value[2:])
		switch d.Type {
		case DesignatorRelativeTargetPort:
			p.Relative = id
		case DesignatorTargetPortGroup:
			p.Group, p.HasGroup = id, true
		}
	}
	return p
}

// GroupOf finds the port's group in a report: by its group where the target
// tells it, else by the relative identifier.
func (p TargetPort) GroupOf(groups []TargetPortGroup) (TargetPortGroup, bool) {
	i := slices.IndexFunc(groups, func(g TargetPortGroup) bool {
		if p.HasGroup {
			return g.ID == p.Group
		}
		return p.Relative != 0 && slices.Contains(g.Ports, p.Relative)
	})
	if i < 0 {
		return TargetPortGroup{}, false
	}
	return groups[i], true
}

// AccessRefused tells whether the sense data refuses a command because of the
// asymmetric access state of the port, and which one that is: 02/04/0A, 02/04/0B,
// 02/04/0C or 02/04/12 (SPC-4, annex E.2).
func (s Sense) AccessRefused() (AccessState, bool) {
	if s.Key != NotReady || s.Deferred {
		return 0, false
	}
	switch code(s.ASC, s.ASCQ) {
	case 0x040a:
		return Transitioning, true
	case 0x040b:
		return Standby, true
	case 0x040c:
		return Unavailable, true
	case 0x0412:
		return Offline, true
	}
	return 0, false
}

// ReportTargetPortGroups builds REPORT TARGET PORT GROUPS (SPC-4, section 6.37)
// for the length only format, with an allocation length in bytes.
func ReportTargetPortGroups(alloc uint32) CDB {
	c := CDB{opMaintenanceIn, saReportTargetPortGroups}
	binary.BigEndian.PutUint32(c[6:], alloc)
	return c
}
