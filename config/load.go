package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/BurntSushi/toml"
)

// maxFile bounds a configuration file; it is room for some thousand targets.
const maxFile = 1 << 20

// pipeTime is how long a configuration that comes through a pipe may take.
const pipeTime = 10 * time.Second

// Load reads and validates the configuration file at path, and the password
// files that it names; it contacts nobody. Its error is of type Faults:
// everything that is wrong with the file, or one Fault of line 0 where it
// cannot be read.
func Load(path string) (*Config, []Warning, error) {
	r := &report{file: path}
	text, err := r.open(path)
	if err != nil {
		return nil, nil, Faults{{File: path, Message: err.Error()}}
	}
	config := r.parse(text)
	if len(r.faults) > 0 {
		return nil, r.sortedWarnings(), r.sortedFaults()
	}
	config.Path, err = filepath.Abs(path)
	if err != nil {
		return nil, nil, Faults{{File: path, Message: err.Error()}}
	}
	return config, r.sortedWarnings(), nil
}

// open reads the file, and notes what matters to the passwords in it.
func (r *report) open(path string) (string, error) {
	r.dir = filepath.Dir(path)
	// O_NONBLOCK: a FIFO that nobody writes to must not hang who reads the file again.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", fmt.Errorf("cannot read the configuration: %w", reason(err))
	}
	defer f.Close()
	_ = f.SetReadDeadline(time.Now().Add(pipeTime)) // a regular file has none, and needs none
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("cannot read the configuration: %w", reason(err))
	}
	r.exposed = readableByOthers(info)
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", fmt.Errorf("cannot read the configuration: %w", reason(err))
	}
	if len(b) > maxFile {
		return "", fmt.Errorf("is larger than %s, which no configuration needs to be", formatSize(maxFile))
	}
	return string(b), nil
}

// parse turns the text of a file into a Config, which is of use only if no
// faults have been reported.
func (r *report) parse(text string) *Config {
	var tree map[string]any
	if _, err := toml.Decode(text, &tree); err != nil {
		r.syntaxFault(text, err)
		return nil
	}
	root := node{report: r, raw: tree, pos: positions(text)}
	keys := fileKeys()
	d := newDraft()
	keys.read(&d, root)
	if !root.has("target") && !root.has("discovery") {
		root.child("target").fault("is missing: the file names nothing to log in to; add a [[target]] with portals and iqn")
	}
	d.checkTargets()
	return d.config()
}

// newDraft has the default of every key that is not in an array of tables.
func newDraft() draft {
	d := draft{cache: cacheKeys().defaults()}
	d.Initiator = initiatorKeys().defaults()
	d.Session = sessionKeys().defaults()
	d.Mount = mountKeys().defaults()
	d.Log = logKeys().defaults()
	d.Metrics = metricsKeys().defaults()
	return d
}

// config takes the Config out of its draft.
func (d *draft) config() *Config {
	c := d.Config
	c.Cache = Cache{Size: d.cache.size, TargetCache: d.cache.resolve()}
	for _, t := range d.targets {
		slices.Sort(t.LUNs)
		c.Targets = append(c.Targets, t.Target)
	}
	for _, f := range d.discoveries {
		slices.Sort(f.LUNs)
		c.Discoveries = append(c.Discoveries, f.Discovery)
	}
	return &c
}

// syntaxFault reports what is not TOML. The parser's message may quote the
// text, and a password that was written without quotes is no less of a secret.
func (r *report) syntaxFault(text string, err error) {
	f := Fault{File: r.file, Line: 1, Message: err.Error()}
	lines := strings.Split(text, "\n")
	if p := (toml.ParseError{}); errors.As(err, &p) {
		f.Line = min(max(p.Position.Line, 1), len(lines))
		f.Message = p.Message
		f.Key = p.LastKey
	}
	if strings.HasPrefix(f.Message, "expected value") {
		f.Message += "; text is put in double quotes"
	}
	if strings.Contains(f.Key+lines[f.Line-1], "password") {
		f.Message = "not TOML; a password is put in double quotes, and \\ and \" in it are written \\\\ and \\\" (not shown here, as it may be one)"
	}
	r.faults = append(r.faults, f)
}

// sortedFaults are the faults in the order of the file.
func (r *report) sortedFaults() Faults {
	slices.SortStableFunc(r.faults, func(a, b Fault) int { return cmp.Compare(a.Line, b.Line) })
	return r.faults
}

// sortedWarnings are the warnings in the order of the file.
func (r *report) sortedWarnings() []Warning {
	slices.SortStableFunc(r.warnings, func(a, b Warning) int { return cmp.Compare(a.Line, b.Line) })
	return r.warnings
}
