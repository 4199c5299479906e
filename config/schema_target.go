package config

// maxLUN is the highest number that SAM-5's flat space addressing gives a LUN.
const maxLUN = 1<<14 - 1

// targetDraft is a Target while its file is read.
type targetDraft struct {
	Target
	cache cacheDraft
	chap  chapDraft
	node  node // its table, for what is checked across targets
}

func targetKeys() section[targetDraft] {
	return section[targetDraft]{
		field("portals", listOf("portals", portal(), "name at least one portal"), "", func(t *targetDraft) *[]Portal { return &t.Portals },
			"Addresses of the target, with a port where it is not 3260. Names are resolved at each connect. More than one are paths to the same target."),
		field("iqn", targetName(), "", func(t *targetDraft) *string { return &t.IQN },
			"iSCSI name of the target."),
		field("directory", text("a string", checkDirectory), `""`, func(t *targetDraft) *string { return &t.Directory },
			"Where its files go below the mountpoint: one plain name, or \"\" for the mountpoint itself."),
		field("luns", luns(), "", func(t *targetDraft) *[]uint16 { return &t.LUNs },
			"The LUNs to present; one that is absent or no disk is an error. Without it, every disk that the target has."),
		field("read_only", boolean(), `false`, func(t *targetDraft) *bool { return &t.ReadOnly },
			"Never write to its LUNs."),
		field("exclusive", boolean(), `false`, func(t *targetDraft) *bool { return &t.Exclusive },
			"Hold a persistent reservation, so that no other host can write."),
		field("required", boolean(), `true`, func(t *targetDraft) *bool { return &t.Required },
			"Whether the mount fails without it. If not, mount goes on trying, and its files appear when it answers."),
		field("login", enum(LoginAuto, LoginManual), `"auto"`, func(t *targetDraft) *LoginMode { return &t.Login },
			"\"manual\" leaves it to iscsifs login."),
		field("interface", optional("a string", checkInterface), `""`, func(t *targetDraft) *string { return &t.Interface },
			"Local address or network device to connect from."),
		subtable("chap", chapKeys(), func(t *targetDraft) *chapDraft { return &t.chap }, (*chapDraft).check,
			"CHAP for the target's sessions. Without the table, no authentication."),
		subtable("session", sessionKeys(), func(t *targetDraft) *Session { return &t.Session }, nil,
			"Overrides [session] for this target."),
		subtable("cache", targetCacheKeys(), func(t *targetDraft) *cacheDraft { return &t.cache }, (*cacheDraft).check,
			"Overrides [cache] for this target."),
	}
}

// readTarget reads one [[target]] over what it inherits.
func readTarget(d *draft, keys section[targetDraft], n node) {
	t := keys.defaults()
	t.Session, t.cache = d.Session, d.cache
	t.node, t.Line = n, n.pos.line
	if !keys.read(&t, n) {
		return
	}
	n.needs("portals", "name the portals of the target")
	if len(t.Portals) > MaxPortals {
		n.fault("names %d portals, more than %d", len(t.Portals), MaxPortals)
	}
	n.needs("iqn", "`iscsifs discover PORTAL` lists the targets of a portal")
	t.Target.CHAP = t.chap.credentials()
	t.Target.Cache = t.cache.resolve()
	d.targets = append(d.targets, t)
}

// discoveryDraft is a Discovery while its file is read.
type discoveryDraft struct {
	Discovery
	chap, targetCHAP chapDraft
}

func discoveryKeys() section[discoveryDraft] {
	return section[discoveryDraft]{
		field("portal", portal(), "", func(d *discoveryDraft) *Portal { return &d.Portal },
			"Address to ask for targets (SendTargets)."),
		field("match", listOf("globs", text("a glob", checkGlob), `name what to log in to, or "*" for all`), "", func(d *discoveryDraft) *[]string { return &d.Match },
			"Globs; what is found is used if its name matches one of them."),
		field("directory", text("a string", checkPattern), `"{iqn}"`, func(d *discoveryDraft) *string { return &d.Directory },
			"Where the files of a target go, as in a target; {iqn} stands for its name."),
		field("luns", luns(), "", func(d *discoveryDraft) *[]uint16 { return &d.LUNs }, "As in a target."),
		field("read_only", boolean(), `false`, func(d *discoveryDraft) *bool { return &d.ReadOnly }, "As in a target."),
		field("exclusive", boolean(), `false`, func(d *discoveryDraft) *bool { return &d.Exclusive }, "As in a target."),
		field("required", boolean(), `false`, func(d *discoveryDraft) *bool { return &d.Required }, "As in a target, but false unless given."),
		field("login", enum(LoginAuto, LoginManual), `"auto"`, func(d *discoveryDraft) *LoginMode { return &d.Login }, "As in a target."),
		field("interface", optional("a string", checkInterface), `""`, func(d *discoveryDraft) *string { return &d.Interface }, "As in a target."),
		subtable("chap", chapKeys(), func(d *discoveryDraft) *chapDraft { return &d.chap }, (*chapDraft).check,
			"CHAP for the discovery session; the keys are those of [target.chap]."),
		subtable("target_chap", chapKeys(), func(d *discoveryDraft) *chapDraft { return &d.targetCHAP }, (*chapDraft).check,
			"CHAP for the sessions to what was found; the keys are those of [target.chap]."),
	}
}

// readDiscovery reads one [[discovery]].
func readDiscovery(d *draft, keys section[discoveryDraft], n node) {
	f := keys.defaults()
	f.Line = n.pos.line
	if !keys.read(&f, n) {
		return
	}
	n.needs("portal", "name the portal to ask")
	n.needs("match", `it says which targets to log in to, as ["iqn.2001-04.com.example:*"], so that nobody logs in to a whole storage system by accident`)
	f.Session, f.Cache = d.Session, d.cache.resolve()
	f.CHAP, f.TargetCHAP = f.chap.credentials(), f.targetCHAP.credentials()
	d.discoveries = append(d.discoveries, f)
}

// needs reports a key that the table n must have and has not.
func (n node) needs(name, hint string) {
	if !n.has(name) {
		n.child(name).fault("is missing; %s", hint)
	}
}

// portal is the address of a portal.
func portal() kind[Portal] {
	return parsed(`a portal such as "192.0.2.7" or "nas.example.org:3260"`, ParsePortal, Portal.String)
}

// luns is a list of LUN numbers.
func luns() kind[[]uint16] {
	return listOf("LUN numbers", integer[uint16](0, maxLUN), "leave the key out to have every LUN")
}
