package tgt

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Target is one iSCSI target of a Daemon; any initiator may log in to it.
type Target struct {
	IQN  string
	d    *Daemon
	tid  string
	luns int
}

// LUN describes a disk to add.
type LUN struct {
	Path      string            // backing file
	Store     string            // how tgtd uses it: "aio" or "rdwr"; "" = rdwr
	BlockSize int               // logical block in bytes; 0 = 512
	Params    map[string]string // tgtadm's --params: vendor_id, product_id, scsi_id, scsi_sn, readonly, thin_provisioning
}

// Account is a CHAP name and secret.
type Account struct{ User, Password string }

// AddTarget creates a target. Settings are names and values of RFC 7143's
// negotiated keys, as tgtadm takes them: {"InitialR2T": "No"}.
func (d *Daemon) AddTarget(iqn string, settings map[string]string) (*Target, error) {
	t := &Target{IQN: iqn, d: d, tid: strconv.Itoa(d.nextTID())}
	if err := d.change("--op", "new", "--mode", "target", "--tid", t.tid, "-T", iqn); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		if err := t.Set(name, settings[name]); err != nil {
			return nil, err
		}
	}
	return t, d.change("--op", "bind", "--mode", "target", "--tid", t.tid, "-I", "ALL")
}

// nextTID numbers the targets of all running daemons differently: tgt makes
// the designators of VPD page 83h of target and LUN number, and two disks with
// the same designator are two paths to one disk.
func (d *Daemon) nextTID() int {
	d.targets++
	return d.targets<<16 | d.port.Number()
}

// Set changes what the target offers in the next login.
func (t *Target) Set(name, value string) error {
	return t.d.change("--op", "update", "--mode", "target", "--tid", t.tid, "--name", name, "--value", value)
}

// AddLUN adds a disk and returns its LUN: 1 for the first.
func (t *Target) AddLUN(l LUN) (int, error) {
	t.luns++
	if err := t.addAs(t.luns, l); err != nil {
		return 0, err
	}
	if len(l.Params) > 0 {
		return t.luns, t.Update(t.luns, l.Params)
	}
	return t.luns, nil
}

// AddAgain adds the disk of a LUN that was removed, with the size that its file has
// now and the same identity.
func (t *Target) AddAgain(lun int, path string) error { return t.addAs(lun, LUN{Path: path}) }

func (t *Target) addAs(lun int, l LUN) error {
	args := []string{"--op", "new", "--mode", "logicalunit", "--tid", t.tid, "--lun", strconv.Itoa(lun),
		"-b", l.Path, "--bstype", cmp.Or(l.Store, "rdwr"), "-Y", "disk"}
	if l.BlockSize != 0 {
		args = append(args, "--blocksize", strconv.Itoa(l.BlockSize))
	}
	return t.d.change(args...)
}

// Update changes parameters of a LUN, see LUN.Params.
func (t *Target) Update(lun int, params map[string]string) error {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		list = append(list, name+"="+params[name])
	}
	return t.d.change("--op", "update", "--mode", "logicalunit", "--tid", t.tid, "--lun", strconv.Itoa(lun),
		"--params", strings.Join(list, ","))
}

// RemoveLUN takes a disk away, also from sessions that use it.
func (t *Target) RemoveLUN(lun int) error {
	return t.d.change("--op", "delete", "--mode", "logicalunit", "--tid", t.tid, "--lun", strconv.Itoa(lun))
}

// RequireCHAP makes the target demand in, and prove itself with out when that
// is not empty (mutual CHAP).
func (t *Target) RequireCHAP(in, out Account) error {
	if err := t.bindAccount(in); err != nil || out == (Account{}) {
		return err
	}
	return t.bindAccount(out, "--outgoing")
}

func (t *Target) bindAccount(a Account, direction ...string) error {
	return t.d.bindAccount(a, append([]string{"--tid", t.tid}, direction...)...)
}

// RequireDiscoveryCHAP is RequireCHAP for the discovery sessions of the portal.
func (d *Daemon) RequireDiscoveryCHAP(in, out Account) error {
	if err := d.bindAccount(in); err != nil || out == (Account{}) {
		return err
	}
	return d.bindAccount(out, "--outgoing")
}

// bindAccount makes an account, once, and binds it to what the arguments say; to
// discovery where they name no target.
func (d *Daemon) bindAccount(a Account, to ...string) error {
	create := []string{"--op", "new", "--mode", "account", "--user", a.User, "--password", a.Password}
	made := slices.ContainsFunc(d.done, func(args []string) bool { return slices.Equal(args, create) })
	if !made {
		if err := d.change(create...); err != nil {
			return err
		}
	}
	return d.change(append([]string{"--op", "bind", "--mode", "account", "--user", a.User}, to...)...)
}

// Remove takes the target away, which has no sessions.
func (t *Target) Remove() error {
	return t.d.change("--op", "delete", "--mode", "target", "--tid", t.tid)
}

var initiatorLine = regexp.MustCompile(`(?m)^\s+Initiator: (\S+)`)

// Sessions returns the initiator name of each session that is logged in.
func (t *Target) Sessions() ([]string, error) {
	out, err := t.d.tgtadm("--op", "show", "--mode", "conn", "--tid", t.tid)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, m := range initiatorLine.FindAllStringSubmatch(out, -1) {
		names = append(names, m[1])
	}
	return names, nil
}

// Show is what tgtadm tells of the target's connections.
func (t *Target) Show() (string, error) {
	return t.d.tgtadm("--op", "show", "--mode", "conn", "--tid", t.tid)
}
