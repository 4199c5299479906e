package daemon

import (
	"context"
	"os"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// HandledSignals are those that [Daemon.Signals] knows.
var HandledSignals = []os.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGUSR1}

// LogLevel is the level of all logging of this process, which SIGUSR1 changes.
type LogLevel struct{ configured zerolog.Level }

// NewLogLevel sets the level.
func NewLogLevel(level zerolog.Level) *LogLevel {
	zerolog.SetGlobalLevel(level)
	return &LogLevel{level}
}

// toggle goes to debug and back to the configured level.
func (l *LogLevel) toggle() zerolog.Level {
	next := zerolog.DebugLevel
	if zerolog.GlobalLevel() == zerolog.DebugLevel {
		next = l.configured
	}
	zerolog.SetGlobalLevel(next)
	return next
}

// Signals does what each signal asks for, until ctx ends:
//
//	SIGTERM, SIGINT  Terminate
//	SIGUSR1          log level to debug, and back
//	SIGHUP           nothing yet, and the log says so
func (d *Daemon) Signals(ctx context.Context, signals <-chan os.Signal, level *LogLevel) {
	for {
		select {
		case <-ctx.Done():
			return
		case s := <-signals:
			d.signal(ctx, s, level)
		}
	}
}

func (d *Daemon) signal(ctx context.Context, s os.Signal, level *LogLevel) {
	switch s {
	case unix.SIGTERM, unix.SIGINT:
		d.log.Info().Stringer("signal", s).Msg("asked to end")
		d.Terminate(ctx)
	case unix.SIGUSR1:
		now := level.toggle()
		d.log.WithLevel(zerolog.NoLevel).Stringer("level", now).Msg("log level changed by SIGUSR1")
	case unix.SIGHUP:
		d.log.Warn().Msg("SIGHUP: this version cannot read its configuration again while it is mounted; unmount and mount for that")
	}
}
