package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/iscsifs/iscsifs/config"
)

// mountOptions takes the options of -o, by name; each changes the
// configuration as if its file said so.
var mountOptions = map[string]func(cfg *config.Config, value string) error{
	"ro":          func(cfg *config.Config, _ string) error { setReadOnly(cfg); return nil },
	"allow_other": func(cfg *config.Config, _ string) error { cfg.Mount.AllowOther = config.AllowOtherTrue; return nil },
	"nofail":      func(cfg *config.Config, _ string) error { setOptional(cfg); return nil },
	"uid":         func(cfg *config.Config, value string) error { return setID(&cfg.Mount.UID, value) },
	"gid":         func(cfg *config.Config, value string) error { return setID(&cfg.Mount.GID, value) },
	"mode": func(cfg *config.Config, value string) (err error) {
		cfg.Mount.Mode, err = config.ParseMode(value)
		return err
	},
	"wait": func(cfg *config.Config, value string) (err error) {
		cfg.Mount.Wait, err = config.ParseDuration(value)
		return err
	},
}

// valued are those of mountOptions that need a value.
var valued = map[string]bool{"uid": true, "gid": true, "mode": true, "wait": true}

// foreignOptions are read by mount(8) and systemd and mean nothing to us, or
// ask for what a LUN file is anyway.
var foreignOptions = map[string]bool{
	"_netdev": true, "defaults": true, "auto": true, "noauto": true, "rw": true,
	"user": true, "nouser": true, "users": true, "owner": true, "noowner": true, "group": true, "nogroup": true,
	"exec": true, "noexec": true, "suid": true, "nosuid": true, "dev": true, "nodev": true,
	"async": true, "atime": true, "noatime": true, "diratime": true, "nodiratime": true, "relatime": true,
	"norelatime": true, "strictatime": true, "nostrictatime": true, "lazytime": true, "nolazytime": true,
	"silent": true, "loud": true, "comment": true,
}

// applyOptions changes cfg as the options of -o say, each a comma-separated
// list as mount(8) has it.
func applyOptions(cfg *config.Config, lists []string) error {
	for _, list := range lists {
		for option := range strings.SplitSeq(list, ",") {
			if err := applyOption(cfg, option); err != nil {
				return err
			}
		}
	}
	return nil
}

func applyOption(cfg *config.Config, option string) error {
	name, value, hasValue := strings.Cut(option, "=")
	if option == "" || foreignOptions[name] || strings.HasPrefix(name, "x-") || strings.HasPrefix(name, "X-") {
		return nil
	}
	apply, known := mountOptions[name]
	switch {
	case name == "remount":
		return usageError("-o remount: a mount keeps its options until it is unmounted; `iscsifs reload` takes over what has changed in the configuration")
	case !known:
		return usageError("-o %s: no such option; `iscsifs mount --help` lists them", name)
	case valued[name] && !hasValue:
		return usageError("-o %s: needs a value, as in %s=…", name, name)
	case !valued[name] && hasValue:
		return usageError("-o %s: takes no value", name)
	}
	if err := apply(cfg, value); err != nil {
		return usageError("-o %s: %w", option, err)
	}
	return nil
}

func setReadOnly(cfg *config.Config) {
	for i := range cfg.Targets {
		cfg.Targets[i].ReadOnly = true
	}
	for i := range cfg.Discoveries {
		cfg.Discoveries[i].ReadOnly = true
	}
}

func setOptional(cfg *config.Config) {
	for i := range cfg.Targets {
		cfg.Targets[i].Required = false
	}
	for i := range cfg.Discoveries {
		cfg.Discoveries[i].Required = false
	}
}

func setID(id **uint32, value string) error {
	n, err := strconv.ParseUint(value, 10, 32)
	if err != nil || n == 1<<32-1 {
		return fmt.Errorf("%q is no number of a user or group", value)
	}
	*id = new(uint32(n))
	return nil
}
