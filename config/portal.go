package config

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
)

// ParsePortal reads the address of a portal as the file and the command line
// have it: an IPv4 address, an IPv6 address in brackets or a DNS name, and
// :PORT unless that is DefaultPort.
func ParsePortal(s string) (Portal, error) {
	if a, err := netip.ParseAddr(s); err == nil && a.Is6() {
		// 2001:db8::62:3260 could be meant with a port or without.
		return Portal{}, fmt.Errorf("write an IPv6 address in brackets: \"[%s]\" or \"[%s]:%d\"", s, s, DefaultPort)
	}
	if i := strings.LastIndexByte(s, ','); i >= 0 && digits(s[i+1:]) {
		return Portal{}, fmt.Errorf("%s has a portal group tag; leave out the %q", quote(s), s[i:])
	}
	host, port, err := splitPortal(s)
	if err != nil {
		return Portal{}, err
	}
	p := Portal{Port: DefaultPort}
	if p.Host, err = parseHost(host, s); err != nil {
		return Portal{}, err
	}
	if port != "" {
		p.Port, err = parsePort(port)
	}
	return p, err
}

// errPortal says how a portal is written.
func errPortal(s string) error {
	return fmt.Errorf(`%s is no portal; write an address or a name, with :PORT if it is not %d, as "192.0.2.7", "[2001:db8::7]:3261" or "nas.example.org"`, quote(s), DefaultPort)
}

// splitPortal takes host and port apart; the host of an IPv6 address keeps its
// brackets, and port is empty where there is none.
func splitPortal(s string) (host, port string, err error) {
	host = s
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", "", errPortal(s)
		}
		host = s[:end+1]
	} else if i := strings.IndexByte(s, ':'); i >= 0 {
		host = s[:i]
	}
	switch rest := s[len(host):]; {
	case rest == "":
		return host, "", nil
	case rest[0] == ':' && digits(rest[1:]):
		return host, rest[1:], nil
	}
	return "", "", errPortal(s)
}

// hostSyntax is a DNS name of ASCII labels (RFC 1123, section 2.1); underscores
// are not allowed there, but exist.
var hostSyntax = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$`)

// parseHost checks the part of a portal s that is left of the port.
func parseHost(host, s string) (string, error) {
	if inside, ok := strings.CutPrefix(host, "["); ok {
		a, err := netip.ParseAddr(strings.TrimSuffix(inside, "]"))
		if err != nil || !a.Is6() {
			return "", fmt.Errorf("%s has no IPv6 address in its brackets", quote(s))
		}
		return a.String(), connectable(a)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		return a.String(), connectable(a)
	}
	if looksIPv4(host) {
		return "", fmt.Errorf("%s is no IPv4 address", quote(host))
	}
	if len(host) > 253 || !hostSyntax.MatchString(host) {
		return "", errPortal(s)
	}
	return host, nil
}

// looksIPv4 tells whether the last label is a number, which no DNS name has.
func looksIPv4(host string) bool {
	return digits(host[strings.LastIndexByte(host, '.')+1:])
}

// connectable refuses addresses that nobody listens on.
func connectable(a netip.Addr) error {
	if a.IsUnspecified() || a.IsMulticast() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return fmt.Errorf("%s is not the address of a host", a)
	}
	return nil
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("port %s is not between 1 and 65535", quote(s))
	}
	return uint16(n), nil
}

// digits tells whether s is decimal digits, at least one.
func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// checkListen checks an address to listen on: a portal whose host may be left
// out, and whose port may not.
func checkListen(s string) error {
	host, port, err := splitPortal(s)
	if err != nil || port == "" {
		return fmt.Errorf(`%s is no address to listen on; write it as "127.0.0.1:9799" or ":9799"`, quote(s))
	}
	if _, err := parsePort(port); err != nil {
		return err
	}
	if host == "" {
		return nil
	}
	if a, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil && a.IsUnspecified() {
		return nil // every address of this host
	}
	_, err = parseHost(host, s)
	return err
}

// checkInterface checks what to connect from: a local address or the name of
// a network device, at most IFNAMSIZ-1 = 15 bytes. Whether it exists is seen
// at each connect: it may come later.
func checkInterface(s string) error {
	if a, err := netip.ParseAddr(s); err == nil {
		return connectable(a)
	}
	if len(s) > 15 || s == "." || s == ".." || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '/' || r == ':' || r > '~' }) {
		return errors.New(quote(s) + " is neither a local address nor the name of a network device")
	}
	return nil
}
