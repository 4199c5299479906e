// Command iscsitarget serves disks over iSCSI, for demonstrations and tests.
//
//	iscsitarget --listen 127.0.0.1:0 --iqn iqn.2026-11.org.example:disks --lun 64MiB --lun 1GiB,block=4096,thin
//
// It prints the address it listens on, one line, when it is ready, and ends on
// SIGTERM or SIGINT.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"github.com/iscsifs/iscsifs/integration/target"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "iscsitarget:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	defer o.close()
	t, err := target.New(o.config)
	if err != nil {
		return err
	}
	if err := t.Start(o.listen); err != nil {
		return err
	}
	fmt.Fprintln(out, t.Addr())
	<-ctx.Done()
	err = t.Close()
	for _, v := range t.Violations() {
		fmt.Fprintln(os.Stderr, v)
	}
	return err
}

// options is the command line.
type options struct {
	listen, iqn                string
	luns                       []string
	user, passwordFile         string
	mutualUser, mutualPassword string
	strict, verbose            bool
	config                     target.Config
}

func parse(args []string) (*options, error) {
	var o options
	f := pflag.NewFlagSet("iscsitarget", pflag.ContinueOnError)
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "address to listen on; port 0 takes a free one")
	f.StringVar(&o.iqn, "iqn", "iqn.2026-11.org.example:disks", "name of the target")
	f.StringArrayVar(&o.luns, "lun", nil, "SIZE[,block=4096][,thin][,cache][,readonly][,file=PATH]; repeatable, numbered from 0")
	f.StringVar(&o.user, "chap-user", "", "CHAP name that the initiator must give")
	f.StringVar(&o.passwordFile, "chap-password-file", "", "file with its secret")
	f.StringVar(&o.mutualUser, "mutual-user", "", "CHAP name that the target gives")
	f.StringVar(&o.mutualPassword, "mutual-password-file", "", "file with its secret")
	f.BoolVar(&o.strict, "strict", false, "refuse what RFC 7143 forbids")
	f.BoolVar(&o.verbose, "verbose", false, "log to stderr")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	return &o, o.build()
}

func (o *options) build() error {
	chap, err := o.chap()
	if err != nil {
		return err
	}
	o.config = target.Config{IQN: o.iqn, CHAP: chap, Strict: o.strict, Logger: zerolog.Nop()}
	if o.verbose {
		o.config.Logger = zerolog.New(os.Stderr).With().Timestamp().Logger()
	}
	for _, spec := range o.luns {
		l, err := parseLUN(spec)
		if err != nil {
			o.close()
			return err
		}
		o.config.LUNs = append(o.config.LUNs, l)
	}
	return nil
}

func (o *options) close() {
	for _, l := range o.config.LUNs {
		l.Close()
	}
}

func (o *options) chap() (*target.CHAP, error) {
	if o.user == "" {
		return nil, nil
	}
	c := &target.CHAP{User: o.user, MutualUser: o.mutualUser}
	var err error
	if c.Secret, err = secret(o.passwordFile); err != nil {
		return nil, err
	}
	if o.mutualUser != "" {
		c.MutualSecret, err = secret(o.mutualPassword)
	}
	return c, err
}
