package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/iscsifs/iscsifs/cmd/internal/background"
	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/config"
)

// program is one run of iscsifs: what it was given by who started it.
type program struct {
	stdin          *os.File
	stdout, stderr io.Writer
	reporter       *background.Reporter // in the daemon that `iscsifs mount` starts; else nil
}

// run does what the arguments say and returns the code to exit with. The first
// argument is the name that the program was called by.
func (p *program) run(ctx context.Context, args []string) int {
	var err error
	var helper bool
	switch filepath.Base(args[0]) {
	case "mount.iscsifs", "mount.fuse.iscsifs":
		helper, err = true, p.mountHelper(ctx, args[1:])
	case "umount.iscsifs", "umount.fuse.iscsifs":
		helper, err = true, p.umountHelper(ctx, args[1:])
	default:
		err = p.command(ctx, args[1:])
	}
	if err != nil {
		p.report(err)
	}
	code := exitcode.Code(exitcode.Of(err))
	if helper {
		code = code.Helper()
	}
	return int(code)
}

// command runs the command that the arguments name. What fails before the command
// itself runs is wrong usage.
func (p *program) command(ctx context.Context, args []string) error {
	root := p.rootCommand()
	began := false
	for _, c := range root.Commands() {
		if run := c.RunE; run != nil {
			c.RunE = func(cmd *cobra.Command, args []string) error {
				began = true
				return run(cmd, args)
			}
		}
	}
	root.SetArgs(args)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	var coded *exitcode.Error
	if value := (*pflag.InvalidValueError)(nil); errors.As(err, &value) {
		err = fmt.Errorf("--%s %s: %w", value.GetFlag().Name, value.GetValue(), value.Unwrap())
	}
	if err != nil && !began && !errors.As(err, &coded) {
		return usageError("%s%w; see `%s --help`", prefix(cmd), err, cmd.CommandPath())
	}
	return err
}

func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "iscsifs",
		Short: "LUNs of iSCSI targets as raw files, in user space",
		Long: `iscsifs presents LUNs of iSCSI targets as raw files through FUSE: no kernel
initiator, no root needed. A file is a disk: read and write it, convert it with
qemu-img, or put a loop device on it and mount the file system inside.`,
		Example: `  iscsifs discover nas.example.org
  iscsifs mount nas.toml /mnt/luns
  iscsifs umount /mnt/luns`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return noSuchCommand(cmd, "", args[0])
			}
			if asked, _ := cmd.Flags().GetBool("version"); asked {
				return p.printVersion(false)
			}
			return cmd.Help()
		},
	}
	root.Flags().Bool("version", false, "print the version, as the command version does")
	root.AddCommand(p.mountCommand(), p.umountCommand(), p.syncCommand(), p.rescanCommand(), p.reloadCommand(), p.loginCommand(), p.logoutCommand(), p.statusCommand(),
		p.discoverCommand(), p.checkCommand(), p.versionCommand())
	p.completeArguments(root)
	root.AddCommand(p.manualCommand())
	endHelpWithExample(root)
	return root
}

// report prints an error: to the user, or through the command that started this
// process as the daemon.
func (p *program) report(err error) {
	if p.reporter != nil {
		p.reporter.Fail(err)
		return
	}
	fmt.Fprint(p.stderr, message(err))
}

// message is what the user sees of an error: a line for each failure, each
// beginning with the program's name; what belongs to the line above it is
// indented. Faults of a configuration begin with FILE:LINE, for editors.
func message(err error) string {
	var b strings.Builder
	var faults config.Faults
	if errors.As(err, &faults) {
		fmt.Fprintln(&b, faults.Error())
		err = fmt.Errorf("%s: %s; nothing was contacted", faults[0].File, count(len(faults), "fault"))
	}
	for line := range strings.SplitSeq(strings.TrimSpace(err.Error()), "\n") {
		if !strings.HasPrefix(line, " ") {
			b.WriteString("iscsifs: ")
		}
		fmt.Fprintln(&b, plain.Text(line))
	}
	return b.String()
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
