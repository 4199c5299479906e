package main

import (
	"strings"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/config"
)

func twoTargets() *config.Config {
	return &config.Config{Targets: []config.Target{{IQN: "iqn.2026-11.a:1", Required: true}, {IQN: "iqn.2026-11.a:2", Required: true}}}
}

func TestApplyOptions(t *testing.T) {
	cfg := twoTargets()
	if err := applyOptions(cfg, []string{"ro,allow_other,uid=1000", "gid=100,mode=0640,wait=1m30s"}); err != nil {
		t.Fatal(err)
	}
	m := cfg.Mount
	if *m.UID != 1000 || *m.GID != 100 || m.Mode != 0o640 || m.Wait != 90*time.Second || m.AllowOther != config.AllowOtherTrue {
		t.Errorf("mount: %+v", m)
	}
	for _, target := range cfg.Targets {
		if !target.ReadOnly || !target.Required {
			t.Errorf("target: %+v", target)
		}
	}
}

func TestOptionNofail(t *testing.T) {
	cfg := twoTargets()
	if err := applyOptions(cfg, []string{"nofail"}); err != nil || cfg.Targets[0].Required || cfg.Targets[1].Required {
		t.Errorf("%v: %+v", err, cfg.Targets)
	}
}

// What only mount(8) and systemd read changes nothing.
func TestOptionsOfOthers(t *testing.T) {
	cfg, untouched := twoTargets(), twoTargets()
	list := "_netdev,noauto,auto,defaults,user,user=alice,users,rw,exec,suid,dev,nosuid,nodev,noexec,relatime,noatime,async," +
		"x-systemd.requires=network-online.target,X-mount.mkdir,comment=x-gvfs-show,,"
	if err := applyOptions(cfg, []string{list}); err != nil {
		t.Fatal(err)
	}
	if cfg.Targets[0].ReadOnly != untouched.Targets[0].ReadOnly || cfg.Mount != untouched.Mount || !cfg.Targets[1].Required {
		t.Errorf("changed: %+v", cfg)
	}
}

func TestOptionFaults(t *testing.T) {
	for option, words := range map[string]string{
		"no-such-option": "no such option",
		"sync":           "no such option",
		"remount":        "a mount keeps its options",
		"uid":            "needs a value",
		"uid=alice":      `"alice" is no number`,
		"gid=-1":         "no number",
		"uid=4294967295": "no number",
		"mode=rw":        "-o mode=rw",
		"wait=5":         "-o wait=5",
		"ro=1":           "takes no value",
		"ro,nofail=yes":  "takes no value",
	} {
		err := applyOptions(twoTargets(), []string{option})
		if exitcode.Of(err) != int(exitcode.Usage) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: code %d: %v", option, exitcode.Of(err), err)
		}
	}
}
