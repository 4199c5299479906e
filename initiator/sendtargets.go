package initiator

import (
	"errors"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// maxNameLength bounds iSCSI names in bytes (RFC 7143, Section 4.2.7.1).
const maxNameLength = 223

// targetRecord is one target of a SendTargets answer.
type targetRecord struct {
	name string
	// addresses in the target's order, each once. None: the target listens at
	// the portal that gave the record.
	addresses []address
}

// parseSendTargets reads the answer to SendTargets: TargetName keys, each
// followed by the TargetAddress keys of that target (RFC 7143, Appendix C). A
// target that comes again adds to its record. What cannot be used, a name or
// an address, comes back in skipped; it must not hide the other targets.
func parseSendTargets(keys []pdu.KeyValue) (records []targetRecord, skipped []error, err error) {
	var l targetList
	for _, kv := range keys {
		switch kv.Key {
		case "TargetName":
			l.startTarget(kv.Value)
		case "TargetAddress":
			if !l.started {
				return nil, nil, protocolErrorf("the answer to SendTargets begins with a TargetAddress")
			}
			l.addAddress(kv.Value)
		}
	}
	return l.records, l.skipped, nil
}

// targetList collects the records.
type targetList struct {
	records []targetRecord
	skipped []error
	index   map[string]int // into records, by name
	seen    map[targetPortal]bool
	current *targetRecord // nil when its name was skipped
	started bool
}

// targetPortal is what may stand once in a list.
type targetPortal struct {
	name string
	at   address
}

func (l *targetList) startTarget(name string) {
	l.started, l.current = true, nil
	if err := checkISCSIName(name); err != nil {
		l.skipped = append(l.skipped, fmt.Errorf("the target name %.80q %w", name, err))
		return
	}
	if l.index == nil {
		l.index, l.seen = make(map[string]int), make(map[targetPortal]bool)
	}
	i, known := l.index[name]
	if !known {
		i = len(l.records)
		l.index[name] = i
		l.records = append(l.records, targetRecord{name: name})
	}
	l.current = &l.records[i]
}

func (l *targetList) addAddress(value string) {
	if l.current == nil {
		return
	}
	a, err := parseAddress(value)
	if err != nil {
		l.skipped = append(l.skipped, err)
		return
	}
	p := targetPortal{l.current.name, a}
	if !l.seen[p] {
		l.seen[p] = true
		l.current.addresses = append(l.current.addresses, a)
	}
}

// checkISCSIName accepts what targets use: the standard's letters, digits,
// dot, colon and dash, and the other printable ASCII that some targets add.
func checkISCSIName(name string) error {
	switch {
	case name == "":
		return errors.New("is empty")
	case len(name) > maxNameLength:
		return errors.New("is longer than the 223 bytes of an iSCSI name")
	}
	for i := range len(name) {
		if name[i] <= ' ' || name[i] > '~' {
			return errors.New("holds characters that no iSCSI name may hold")
		}
	}
	return nil
}
