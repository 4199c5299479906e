package config

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// duration is a span of time of at least least.
func duration(least time.Duration) kind[time.Duration] {
	parse := func(s string) (time.Duration, error) { return parseDuration(s, least) }
	return parsed(`a duration such as "15s" or "2m"`, parse, formatDuration)
}

// formatDuration writes a duration without the zeroes that time.Duration
// leaves at its end: 2m for 2m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// timeout is a duration of 0 or more, or "never".
func timeout() kind[Timeout] {
	return parsed(`a duration such as "15s" or "2m", or "never"`, ParseTimeout, Timeout.String)
}

// ParseTimeout reads a duration of 0 or more as the file has it, or "never".
func ParseTimeout(s string) (Timeout, error) {
	if s == "never" {
		return Never, nil
	}
	d, err := parseDuration(s, 0)
	return Timeout(d), err
}

// ParseDuration reads a duration of 0 or more as the file has it.
func ParseDuration(s string) (time.Duration, error) { return parseDuration(s, 0) }

func parseDuration(s string, least time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case err == nil && d < least:
		return 0, fmt.Errorf("must be at least %s, not %s", least, s)
	case err == nil:
		return d, nil
	case s == "never":
		return 0, errors.New(`cannot be "never"`)
	}
	if _, bare := strconv.ParseFloat(s, 64); bare == nil {
		return 0, fmt.Errorf("%s has no unit; write %q for seconds", quote(s), s+"s")
	}
	return 0, fmt.Errorf(`%s is no duration; write it as "500ms", "15s", "2m" or "1h30m"`, quote(s))
}

// sizeSyntax is stricter than what humanize takes: to that, "1,5GiB" is 15 GiB.
var sizeSyntax = regexp.MustCompile(`^[0-9]+(\.[0-9]+)? ?[A-Za-z]*$`)

// parseSize reads a number of bytes.
func parseSize(s string) (int64, error) {
	bad := fmt.Errorf(`%s is no size; write it as "256MiB", "8 GiB" or in bytes`, quote(s))
	if !sizeSyntax.MatchString(s) {
		return 0, bad
	}
	n, err := humanize.ParseBytes(s)
	if err == nil && n > math.MaxInt64 || err != nil && strings.Contains(err.Error(), "too large") {
		return 0, fmt.Errorf("%s is too large", quote(s))
	}
	if err != nil {
		return 0, bad
	}
	return int64(n), nil
}

// formatSize writes a number of bytes exactly, in the largest unit that does.
func formatSize(n int64) string {
	units := []string{"", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	i := 0
	for n != 0 && n%1024 == 0 && i < len(units)-1 {
		n /= 1024
		i++
	}
	return strconv.FormatInt(n, 10) + units[i]
}

// size is a number of bytes of at least least, as a string with a unit or as
// an integer.
func size(least int64) kind[int64] {
	const name = `a size such as "256MiB"`
	return kind[int64]{
		name: name,
		read: func(n node) (int64, bool) {
			v, ok := readSize(n, name)
			if ok && v < least {
				n.fault("must be at least %s, not %s", formatSize(least), formatSize(v))
				return 0, false
			}
			return v, ok
		},
		write: func(v int64) string { return tomlString(formatSize(v)) },
	}
}

func readSize(n node, name string) (int64, bool) {
	switch v := n.raw.(type) {
	case int64:
		return v, true
	case string:
		bytes, err := parseSize(v)
		if err != nil {
			n.fault("%s", err)
		}
		return bytes, err == nil
	}
	return wrongType[int64](n, name)
}

// share is an amount of memory: so many bytes, or a part of another amount.
type share struct {
	bytes   int64
	percent float64 // counts if it is not 0
}

// of resolves a share of whole.
func (s share) of(whole int64) int64 {
	if s.percent == 0 {
		return s.bytes
	}
	return max(1, int64(float64(whole)*s.percent/100))
}

// percentage is a share, as "50%" or as a size.
func percentage() kind[share] {
	const name = `a percentage such as "50%" or a size such as "128MiB"`
	bytes := size(1)
	return kind[share]{
		name: name,
		read: func(n node) (share, bool) {
			if s, ok := n.raw.(string); ok && strings.HasSuffix(s, "%") {
				return readPercent(n, strings.TrimSuffix(s, "%"))
			}
			if _, bad := n.raw.(float64); bad {
				return wrongType[share](n, name)
			}
			v, ok := bytes.read(n)
			return share{bytes: v}, ok
		},
		write: func(s share) string { return bytes.write(s.bytes) },
	}
}

func readPercent(n node, number string) (share, bool) {
	p, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(p > 0 && p <= 100) {
		n.fault(`must be above "0%%" and at most "100%%", not %s`, quote(number+"%"))
		return share{}, false
	}
	return share{percent: p}, true
}

// ParseMode reads permission bits as the file has them: three or four octal
// digits, none of them beyond rwxrwxrwx.
func ParseMode(s string) (fs.FileMode, error) {
	m, err := strconv.ParseUint(s, 8, 32)
	if err != nil || len(s) < 3 || len(s) > 4 || s[0] == '+' {
		return 0, fmt.Errorf(`%s is no mode; write three octal digits such as "0600"`, quote(s))
	}
	if m > 0o777 {
		return 0, fmt.Errorf(`%s has more than permission bits; the most is "0777"`, quote(s))
	}
	return fs.FileMode(m), nil
}

// mode is a file's permission bits, quoted: TOML has no octal that looks like it.
func mode() kind[fs.FileMode] {
	return parsed(`a string of octal digits such as "0600"`, ParseMode,
		func(m fs.FileMode) string { return fmt.Sprintf("%04o", uint32(m.Perm())) })
}
