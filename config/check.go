package config

import (
	"bytes"
	"strings"
)

// checkTargets checks the targets against each other.
func (d *draft) checkTargets() {
	for i := range d.targets {
		for j := range i {
			d.targets[i].checkAgainst(&d.targets[j])
		}
		d.targets[i].checkInitiator(d.Initiator.Name)
	}
}

// checkAgainst reports what two targets must not have in common; t is the
// later one.
func (t *targetDraft) checkAgainst(earlier *targetDraft) {
	// Names that differ in case only are the same name (RFC 7143, section 4.2.7.1).
	if t.IQN != "" && strings.EqualFold(t.IQN, earlier.IQN) {
		t.node.child("iqn").fault("is the name of the target on line %d too; list all portals of a target in one [[target]]", earlier.Line)
	}
	if t.Directory == earlier.Directory && t.tookDirectory() && earlier.tookDirectory() {
		t.clash(earlier)
	}
	t.checkSecrets(earlier)
	earlier.checkSecretsOf(t)
}

// tookDirectory tells whether the directory is what the file says, or leaves
// unsaid, and not just what is left of a fault.
func (t *targetDraft) tookDirectory() bool {
	said, ok := t.node.child("directory").raw.(string)
	return !t.node.has("directory") || ok && said == t.Directory
}

// clash reports that two targets would put their files into one directory.
func (t *targetDraft) clash(earlier *targetDraft) {
	n := t.node.child("directory")
	if t.Directory == "" {
		n.fault("is the mountpoint itself, which the target on line %d uses; give one of them a directory", earlier.Line)
		return
	}
	n.fault("%s is the directory of the target on line %d too", quote(t.Directory), earlier.Line)
}

// checkInitiator warns of a host that has the name of its own target: most
// likely the one was copied into the place of the other.
func (t *targetDraft) checkInitiator(name string) {
	if name != "" && strings.EqualFold(name, t.IQN) {
		t.node.child("iqn").warn("is also the name of this host in [initiator]; is one of them in the wrong place?")
	}
}

// checkSecrets reports a password by which t proves itself that was ours with
// an earlier target.
//
// "Any CHAP secret used for initiator authentication MUST NOT be configured
// for authentication of any target" (RFC 7143, section 9.2.1).
func (t *targetDraft) checkSecrets(earlier *targetDraft) {
	if same(earlier.chap.Password, t.chap.MutualPassword) {
		t.node.child("chap").present("mutual_password", "mutual_password_file").fault(
			"must not be the same as our own password for the target on line %d (RFC 7143, section 9.2.1)", earlier.Line)
	}
}

// checkSecretsOf reports a password of ours with a later target by which t
// proves itself.
func (t *targetDraft) checkSecretsOf(later *targetDraft) {
	if same(later.chap.Password, t.chap.MutualPassword) {
		later.node.child("chap").present("password", "password_file").fault(
			"must not be the same as the mutual password of the target on line %d (RFC 7143, section 9.2.1)", t.Line)
	}
}

// same tells whether two secrets are there and equal.
func same(a, b Secret) bool { return !a.IsZero() && bytes.Equal(a.Reveal(), b.Reveal()) }
