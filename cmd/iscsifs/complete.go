package main

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/control"
	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/cmd/internal/status"
)

// completeTime bounds how long a shell that completes waits for a daemon.
const completeTime = 3 * time.Second

// choices returns what may stand for a word of a command's usage, where the shell
// cannot know. args are the arguments before it.
type choices func(ctx context.Context, args []string) ([]string, cobra.ShellCompDirective)

// completions has the choices for the words of usage lines.
func (p *program) completions() map[string]choices {
	return map[string]choices{
		"CONFIG":     always([]string{"toml"}, cobra.ShellCompDirectiveFilterFileExt),
		"MOUNTPOINT": mountpoints,
		"IQN":        p.targetNames,
		"IQN|all": func(ctx context.Context, args []string) ([]string, cobra.ShellCompDirective) {
			names, directive := p.targetNames(ctx, args)
			return append(names, "all"), directive
		},
		"PORTAL": always(nil, cobra.ShellCompDirectiveNoFileComp),
	}
}

func always(list []string, directive cobra.ShellCompDirective) choices {
	return func(context.Context, []string) ([]string, cobra.ShellCompDirective) { return list, directive }
}

// completeArguments lets a shell complete the arguments of the commands below root,
// each by its word in the usage line. Those of other words complete themselves.
func (p *program) completeArguments(root *cobra.Command) {
	known := p.completions()
	for _, c := range root.Commands() {
		words := usageWords(c)
		c.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			switch {
			case len(args) >= len(words):
				return nil, cobra.ShellCompDirectiveNoFileComp
			case cmd.Name() == "mount" && len(args) == 1: // a mountpoint that is none yet
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
			return known[words[len(args)]](cmd.Context(), args)
		}
	}
}

// usageWords are the arguments in the usage line of a command, without brackets.
func usageWords(c *cobra.Command) []string {
	return strings.Fields(strings.NewReplacer("[", "", "]", "").Replace(c.Use))[1:]
}

// mountpoints are those of the mounts that this user may command.
func mountpoints(context.Context, []string) ([]string, cobra.ShellCompDirective) {
	var points []string
	list, _ := ownMounts() // no mounts, no choices
	for _, m := range list {
		points = append(points, m.Point)
	}
	return points, cobra.ShellCompDirectiveNoFileComp
}

// targetNames are the targets of the mount on the first argument.
func (p *program) targetNames(ctx context.Context, args []string) ([]string, cobra.ShellCompDirective) {
	ctx, cancel := context.WithTimeout(ctx, completeTime)
	defer cancel()
	m, err := p.mountOn(ctx, args[0])
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var now status.Mount
	_ = control.Call(ctx, m.Point, m.UserID, control.Status, nil, &now, nil) // no answer, no choices
	var names []string
	for _, t := range now.Targets {
		names = append(names, plain.Text(t.IQN))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeOptions completes the last option of a list as -o takes it.
func completeOptions(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	before := typed[:strings.LastIndex(typed, ",")+1]
	var list []string
	for _, name := range slices.Sorted(maps.Keys(mountOptions)) {
		if valued[name] {
			name += "="
		}
		if option := before + name; strings.HasPrefix(option, typed) {
			list = append(list, option)
		}
	}
	return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
