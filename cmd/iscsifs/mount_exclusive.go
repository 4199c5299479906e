package main

import (
	"slices"
	"strconv"

	"github.com/iscsifs/iscsifs/config"
)

// parseKey reads the reservation key of --preempt, as messages write it: 0x and
// hexadecimal digits. It is 0 where none is given.
func parseKey(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	key, err := strconv.ParseUint(s, 0, 64)
	if err != nil || key == 0 {
		return 0, usageError("--preempt %s: give the key of the reservation as a number, as 0x00000000000ab1e5", s)
	}
	return key, nil
}

// checkExclusive refuses flags that do not go with the targets' reservations.
func (r *mountRequest) checkExclusive(cfg *config.Config) error {
	name := exclusiveIn(cfg)
	switch {
	case name == "" && r.preempt != "":
		return usageError("--preempt: no target of %s that is to be written has exclusive = true", r.config)
	case name != "" && r.shared:
		return usageError("--shared: %s has exclusive = true, and the reservation is the whole host's: the first of two mounts to end would give up that of the other", name)
	}
	return nil
}

// exclusiveIn names the first that is to be reserved; "" if there is none.
func exclusiveIn(cfg *config.Config) string {
	if i := slices.IndexFunc(cfg.Targets, func(t config.Target) bool { return t.Exclusive && !t.ReadOnly }); i >= 0 {
		return cfg.Targets[i].IQN
	}
	if i := slices.IndexFunc(cfg.Discoveries, func(d config.Discovery) bool { return d.Exclusive && !d.ReadOnly }); i >= 0 {
		return cfg.Discoveries[i].Source()
	}
	return ""
}
