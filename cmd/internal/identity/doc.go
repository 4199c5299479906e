// Package identity says who this host is to a target: the initiator's name, and
// the ISIDs of its sessions. Both are stored or derived, never drawn anew, because
// a target tells sessions apart by them.
//
// # ISID
//
// Initiator name, ISID and target portal group name a session (RFC 7143, section
// 4.4.3): a login with those of a session that is open ends that session (section
// 6.3.5, session reinstatement). That is what a mount wants of its own session after
// a reconnect, and nobody else may do it. The ISIDs used are of the type "Random"
// (section 11.12.5), which fixes six bytes so:
//
//	 byte 0        1      2      3      4      5
//	┌──────────┬──────────────────┬─────────────┐
//	│ 10b, 0…  │  24 bits, B & C  │ qualifier D │
//	└──────────┴──────────────────┴─────────────┘
//
//	a mount      hash of initiator name, target, mountpoint    index of the session, below 8000h
//	a probe      random for this process                       counted from 8000h
//
// The two ranges of D do not meet, so discovery and checks never end a mount's
// session. That two mounts have the same hash is as likely as 2^-24 and caught by
// the lock on the nexus (package guard).
//
// All sessions of one mount with a target have different indices, so that those with
// one portal group do, as section 4.4.3 wants ("ISID RULE"): to which group a portal
// belongs is known only after the login. A path has the same index after a restart:
// persistent reservations belong to it.
package identity
