package main

import (
	"fmt"
	"io"
	"log/syslog"
	"os"
	"path/filepath"

	"github.com/rs/zerolog"
	"golang.org/x/term"

	"github.com/iscsifs/iscsifs/cmd/internal/daemon"
	"github.com/iscsifs/iscsifs/cmd/internal/identity"
	"github.com/iscsifs/iscsifs/config"
)

// syslogSocket is where syslogd or journald listens.
const syslogSocket = "/dev/log"

// logTime is RFC 3339 to the millisecond.
const logTime = "2006-01-02T15:04:05.000Z07:00"

// daemonLog is where a daemon logs to.
type daemonLog struct {
	zerolog.Logger
	place  string // for people: "stderr", "syslog" or a path
	level  *daemon.LogLevel
	flood  *flood
	reopen func() error
	close  func() error
}

// openLog opens the log: the file that the configuration asks for, and in the
// foreground standard error. Without both it is the system's log for root, if there
// is one, and a file in the state directory.
func (p *program) openLog(cfg *config.Log, foreground bool) (*daemonLog, error) {
	level, err := zerolog.ParseLevel(string(cfg.Level))
	if err != nil {
		return nil, err
	}
	l := &daemonLog{level: daemon.NewLogLevel(level), reopen: func() error { return nil }, close: func() error { return nil }}
	var out io.Writer
	switch {
	case cfg.File != "" && foreground:
		out, err = l.openFile(cfg.File, cfg.Format)
		l.place, out = "stderr and "+l.place, zerolog.MultiLevelWriter(formatted(p.stderr, cfg.Format), out)
	case cfg.File != "":
		out, err = l.openFile(cfg.File, cfg.Format)
	case foreground:
		l.place, out = "stderr", formatted(p.stderr, cfg.Format)
	case os.Geteuid() == 0 && exists(syslogSocket):
		out, err = l.openSyslog()
	default:
		out, err = l.openStateFile(cfg.Format)
	}
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	zerolog.TimeFieldFormat = logTime
	unbounded := zerolog.New(out).With().Timestamp().Logger()
	l.flood = newFlood(unbounded)
	l.Logger = unbounded.Hook(l.flood)
	return l, nil
}

func (l *daemonLog) openFile(path string, format config.LogFormat) (io.Writer, error) {
	f, err := openLogFile(path)
	if err != nil {
		return nil, err
	}
	l.place, l.reopen, l.close = path, f.reopen, f.close
	return formatted(f, format), nil
}

func (l *daemonLog) openStateFile(format config.LogFormat) (io.Writer, error) {
	dir, err := identity.StateDirectory()
	if err != nil {
		return nil, err
	}
	return l.openFile(filepath.Join(dir, "iscsifs.log"), format)
}

func (l *daemonLog) openSyslog() (io.Writer, error) {
	w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "iscsifs")
	if err != nil {
		return nil, err
	}
	l.place, l.close = "syslog", w.Close
	return zerolog.SyslogLevelWriter(w), nil
}

// formatted gives the lines of a log the configured form.
func formatted(w io.Writer, format config.LogFormat) io.Writer {
	if format == config.LogConsole || format == config.LogAuto && isTerminal(w) {
		return zerolog.ConsoleWriter{Out: w, NoColor: !colours(w), TimeFormat: "15:04:05.000"}
	}
	return w
}

// isTerminal tells whether someone looks at what is written to w.
func isTerminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// colours tells whether to colour what is written to w.
func colours(w any) bool { return os.Getenv("NO_COLOR") == "" && isTerminal(w) }

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
