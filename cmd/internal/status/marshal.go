package status

import "encoding/json"

// Every list of the report is there, if empty: `jq '.mounts[].targets[]'` must not
// fail on a mount without targets. The alias types shed the methods.

// MarshalJSON writes the report.
func (r Report) MarshalJSON() ([]byte, error) {
	type plain Report
	r.Mounts = listed(r.Mounts)
	return json.Marshal(plain(r))
}

// MarshalJSON writes the mount.
func (m Mount) MarshalJSON() ([]byte, error) {
	type plain Mount
	m.Warnings, m.Targets = listed(m.Warnings), listed(m.Targets)
	return json.Marshal(plain(m))
}

// MarshalJSON writes the protection.
func (p Protection) MarshalJSON() ([]byte, error) {
	type plain Protection
	p.Gaps = listed(p.Gaps)
	return json.Marshal(plain(p))
}

// MarshalJSON writes the target.
func (t Target) MarshalJSON() ([]byte, error) {
	type plain Target
	t.Portals, t.Sessions, t.LUNs = listed(t.Portals), listed(t.Sessions), listed(t.LUNs)
	if t.Negotiated == nil {
		t.Negotiated = map[string]string{}
	}
	return json.Marshal(plain(t))
}

// MarshalJSON writes the session.
func (s Session) MarshalJSON() ([]byte, error) {
	type plain Session
	if s.Negotiated == nil {
		s.Negotiated = map[string]string{}
	}
	return json.Marshal(plain(s))
}

// MarshalJSON writes the logical unit.
func (l LUN) MarshalJSON() ([]byte, error) {
	type plain LUN
	l.Warnings, l.Holders = listed(l.Warnings), listed(l.Holders)
	return json.Marshal(plain(l))
}

// listed is a list that marshals as [] where it is empty.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
