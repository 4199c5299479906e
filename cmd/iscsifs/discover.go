package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/daemon"
	"github.com/iscsifs/iscsifs/cmd/internal/identity"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
)

// chapFlags are the credentials of the command line: passwords come from files
// only, because arguments can be read by others.
type chapFlags struct{ user, passwordFile, mutualUser, mutualPasswordFile string }

func (p *program) discoverCommand() *cobra.Command {
	var luns, asJSON bool
	var asTOML string
	var chap chapFlags
	cmd := &cobra.Command{
		Use:   "discover PORTAL",
		Short: "List the targets that a portal offers",
		Long: `discover asks a portal (HOST or HOST:PORT) for its targets and prints a line for
each target and portal, as iscsiadm does: ip:port,tpgt iqn. It disturbs no
session of this host or others.

The credentials are used for the discovery and, with --luns, for the logins.

--toml prints a configuration with a [[target]] for each target that was found, and
--toml=discovery one with a [[discovery]], which asks the portal at each mount and
rescan, so that targets which are new appear by themselves. Neither has a password in
it, but the names of the files that were given.`,
		Example: `  iscsifs discover nas.example.org
  iscsifs discover --toml nas.example.org >nas.toml
  iscsifs discover --toml=discovery nas.example.org >nas.toml`,
		Args: between(1, 1, "PORTAL"),
		PreRunE: func(cmd *cobra.Command, _ []string) error {
			return errors.Join(
				either(cmd, "json", "toml"), either(cmd, "luns", "toml"),
				together(cmd, "chap-user", "chap-password-file"), together(cmd, "mutual-chap-user", "mutual-chap-password-file"))
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(tomlForms, asTOML) {
				return usageError("discover: --toml=%s: give one of %s", asTOML, strings.Join(tomlForms[1:], ", "))
			}
			return p.discover(cmd.Context(), args[0], &chap, luns, asJSON, asTOML)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&luns, "luns", false, "log in to each target and list its LUNs")
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	flags.StringVar(&asTOML, "toml", "", "print a configuration that mounts what was found, by tables of this `KIND`: target or discovery")
	flags.Lookup("toml").NoOptDefVal = tomlTargets
	_ = cmd.RegisterFlagCompletionFunc("toml", cobra.FixedCompletions(tomlForms[1:], cobra.ShellCompDirectiveNoFileComp))
	flags.StringVar(&chap.user, "chap-user", "", "CHAP user `name`")
	flags.StringVar(&chap.passwordFile, "chap-password-file", "", "`file` with the password of --chap-user")
	flags.StringVar(&chap.mutualUser, "mutual-chap-user", "", "`name` that the target must prove to be")
	flags.StringVar(&chap.mutualPasswordFile, "mutual-chap-password-file", "", "`file` with the password of --mutual-chap-user")
	return cmd
}

// The tables of --toml, by the names that they have in the configuration.
const (
	tomlTargets     = "target"
	tomlDiscoveries = "discovery"
)

var tomlForms = []string{"", tomlTargets, tomlDiscoveries} // without --toml, and with

// discovery is what --json prints.
type discovery struct {
	Targets []foundTarget `json:"targets"`
}

// foundTarget is a target that discovery found, as --json prints it.
type foundTarget struct {
	IQN     string        `json:"iqn"`
	Portals []foundPortal `json:"portals"`
	LUNs    []probedLUN   `json:"luns,omitempty"`
}

type foundPortal struct {
	Address string `json:"address"`
	TPGT    int    `json:"tpgt"`
}

func (p *program) discover(ctx context.Context, portal string, chap *chapFlags, luns, asJSON bool, asTOML string) error {
	session, err := chap.session(portal)
	if err != nil {
		return err
	}
	list, err := initiator.Discover(ctx, session)
	if err != nil {
		return daemon.Classify(err)
	}
	found := make([]foundTarget, len(list))
	var failures []error
	for i, t := range list {
		found[i] = newFoundTarget(t)
		if luns {
			disks, err := probeTarget(ctx, session, found[i])
			found[i].LUNs = disks
			failures = append(failures, err)
		}
	}
	switch {
	case asJSON:
		failures = append(failures, writeJSON(p.stdout, discovery{found}, false))
	case asTOML == tomlTargets:
		failures = append(failures, writeTOML(p.stdout, found, chap))
	case asTOML == tomlDiscoveries:
		failures = append(failures, writeDiscoveryTOML(p.stdout, session.Portals[0], found, chap))
	default:
		writeFound(p.stdout, found)
	}
	return errors.Join(failures...)
}

func newFoundTarget(t initiator.Discovered) foundTarget {
	found := foundTarget{IQN: t.Name}
	for _, portal := range t.Portals {
		found.Portals = append(found.Portals, foundPortal{portal.Address, portal.Tag})
	}
	return found
}

// session is what the discovery session is made of.
func (c *chapFlags) session(portal string) (initiator.Config, error) {
	at, err := config.ParsePortal(portal)
	if err != nil {
		return initiator.Config{}, usageError("discover %s: %w", portal, err)
	}
	credentials, err := c.credentials()
	if err != nil {
		return initiator.Config{}, err
	}
	name, _, err := identity.InitiatorName("")
	if err != nil {
		return initiator.Config{}, err
	}
	return initiator.Config{
		InitiatorName: name,
		Portals:       []string{at.String()},
		ISID:          identity.ProbeISID(),
		CHAP:          credentials,
	}, nil
}

func (c *chapFlags) credentials() (*initiator.CHAP, error) {
	if c.user == "" && c.mutualUser == "" {
		return nil, nil
	}
	if c.user == "" {
		return nil, usageError("--mutual-chap-user needs --chap-user: the target proves itself only to who proves itself")
	}
	chap := &initiator.CHAP{Username: c.user, MutualUsername: c.mutualUser}
	var err error
	if chap.Secret, err = readPassword(c.passwordFile); err == nil && c.mutualUser != "" {
		chap.MutualSecret, err = readPassword(c.mutualPasswordFile)
	}
	return chap, err
}

// maxPassword bounds a password file, in bytes.
const maxPassword = 4096

// readPassword reads a password file as the configuration's are read: raw bytes,
// one newline at the end cut.
func readPassword(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, usageError("read the password file: %w", err)
	}
	secret := strings.TrimSuffix(string(b), "\n")
	if secret == "" || len(secret) > maxPassword {
		return nil, usageError("read the password file %s: it holds %d bytes, want 1 to %d", path, len(secret), maxPassword)
	}
	return []byte(secret), nil
}

// address is how iscsiadm prints a portal: ip:port,tpgt.
func (p foundPortal) String() string { return fmt.Sprintf("%s,%d", p.Address, p.TPGT) }
