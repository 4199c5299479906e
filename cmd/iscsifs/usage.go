package main

import (
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/config"
)

// usageError is wrong usage: exit code 2.
func usageError(format string, args ...any) error {
	return exitcode.Errorf(exitcode.Usage, format, args...)
}

// prefix begins what is said of a command; nothing is said of the program itself.
func prefix(cmd *cobra.Command) string {
	if !cmd.HasParent() {
		return ""
	}
	return cmd.Name() + ": "
}

// between is a check of the number of arguments that explains itself.
func between(least, most int, usage string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) >= least && len(args) <= most {
			return nil
		}
		return usageError("%s: %s, want %s; see `%s --help`", cmd.Name(), count(len(args), "argument"), usage, cmd.CommandPath())
	}
}

// noSuchCommand guesses what was meant by a name that is no command. asked is what
// stands before the name, such as "help ".
func noSuchCommand(root *cobra.Command, asked, name string) error {
	for root.SuggestionsMinimumDistance = 1; root.SuggestionsMinimumDistance <= 2; root.SuggestionsMinimumDistance++ {
		if near := root.SuggestionsFor(name); len(near) > 0 {
			return usageError("%s%s: no such command; did you mean `iscsifs %s%s`?", asked, name, asked, strings.Join(near, "` or `iscsifs "+asked))
		}
	}
	return usageError("%s%s: no such command; `iscsifs help` lists them", asked, name)
}

// together refuses one of two flags without the other.
func together(cmd *cobra.Command, a, b string) error {
	given, missing := a, b
	if cmd.Flags().Changed(b) {
		given, missing = b, a
	}
	if cmd.Flags().Changed(given) && !cmd.Flags().Changed(missing) {
		return usageError("%s: --%s also needs --%s", cmd.Name(), given, missing)
	}
	return nil
}

// either refuses two flags together.
func either(cmd *cobra.Command, a, b string) error {
	if cmd.Flags().Changed(a) && cmd.Flags().Changed(b) {
		return usageError("%s: --%s and --%s exclude each other: give one of them", cmd.Name(), a, b)
	}
	return nil
}

// durationFlag is a duration as the configuration has it.
type durationFlag time.Duration

// durationVar adds a flag that is a duration.
func durationVar(flags *pflag.FlagSet, d *time.Duration, name, usage string) {
	flags.Var((*durationFlag)(d), name, usage)
}

// Set takes the text of the command line.
func (d *durationFlag) Set(text string) error {
	value, err := config.ParseDuration(text)
	*d = durationFlag(value)
	return err
}

// String is the value as help shows it: a default of 0 is none.
func (d *durationFlag) String() string {
	if *d == 0 {
		return ""
	}
	return time.Duration(*d).String()
}

// Type names the value where the usage does not.
func (d *durationFlag) Type() string { return "TIME" }
