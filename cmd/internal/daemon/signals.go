package daemon

import (
	"context"
	"os"
	"sync"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/iscsifs/iscsifs/config"
)

// HandledSignals are those that [Daemon.Signals] knows.
var HandledSignals = []os.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGUSR1}

// LogLevel is the level of all logging of this process, which SIGUSR1 changes.
type LogLevel struct {
	mu         sync.Mutex
	configured zerolog.Level
}

// NewLogLevel sets the level.
func NewLogLevel(level zerolog.Level) *LogLevel {
	zerolog.SetGlobalLevel(level)
	return &LogLevel{configured: level}
}

// Set changes the configured level, and the present one to it.
func (l *LogLevel) Set(level config.LogLevel) {
	parsed, err := zerolog.ParseLevel(string(level))
	if err != nil {
		return // the configuration has no others
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.configured = parsed
	zerolog.SetGlobalLevel(parsed)
}

// toggle goes to debug and back to the configured level.
func (l *LogLevel) toggle() zerolog.Level {
	l.mu.Lock()
	defer l.mu.Unlock()
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
//	SIGHUP           Reload, which also opens the log's file anew
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
		d.log.Info().Stringer("signal", s).Msg("asked to read the configuration again")
		go d.reloadBySignal(ctx) // it may flush; meanwhile other signals are heeded
	}
}
