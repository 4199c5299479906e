package config

// A key of the schema whose feature this version lacks stands here, and only
// here: building the feature ends with deleting its line. Keys that harm
// nobody by having no effect yet are accepted in silence.

// missing is a value whose feature is not there.
type missing struct {
	value   func(raw any) bool // which values ask for the feature
	refused bool               // silence could cost data or LUNs: a fault; else a warning
	why     string
}

// unavailable has the keys by their names in the schema.
var unavailable = map[string]missing{
	"target.login": {is("manual"), true, `is not available in this version: only "auto" is, with which the target is logged in to when the mount starts`},
	"discovery":    {always, true, "is not available in this version: list each target as a [[target]]; `iscsifs discover --toml` writes them for you"},
}

func always(any) bool { return true }

func is(value any) func(any) bool { return func(raw any) bool { return raw == value } }

// checkAvailable reports a key that asks for what this version cannot do.
func (n node) checkAvailable() {
	m, ok := unavailable[n.schema]
	switch {
	case !ok || !m.value(n.raw):
	case m.refused:
		n.fault("%s", m.why)
	default:
		n.warn("has no effect: %s", m.why)
	}
}
