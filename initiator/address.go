package initiator

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// defaultPort is where targets listen unless told otherwise (RFC 7143,
// Section 13.8).
const defaultPort = 3260

// maxAddressLength bounds the text of an address: the longest DNS name, port
// and portal group tag.
const maxAddressLength = 253 + len(":65535,65535")

// noGroupTag stands for a portal group tag that was not told.
const noGroupTag = -1

// address is where a target listens: a TargetAddress of RFC 7143, Section
// 13.8, or a portal as users write it.
type address struct {
	host string // DNS name or IP address, without brackets
	port uint16
	tag  int // portal group tag, or noGroupTag
}

// String returns "host:port", as net.Dial takes it.
func (a address) String() string {
	return net.JoinHostPort(a.host, strconv.Itoa(int(a.port)))
}

// unspecified tells whether the address is 0.0.0.0 or [::], with which some
// targets mean "where you found me".
func (a address) unspecified() bool {
	ip, err := netip.ParseAddr(a.host)
	return err == nil && ip.IsUnspecified()
}

// parseAddress reads "domainname[:port][,portal-group-tag]", where domainname
// is a DNS name, an IPv4 address, or an IPv6 address in brackets. An IPv6
// address without brackets and port is understood too, because targets send it.
func parseAddress(text string) (address, error) {
	a, err := splitAddress(text)
	if err != nil {
		return address{}, fmt.Errorf("%.80q is no address of a target: %w", text, err)
	}
	return a, nil
}

func splitAddress(text string) (address, error) {
	if len(text) > maxAddressLength {
		return address{}, errors.New("it is too long")
	}
	text, tagText, tagged := strings.Cut(text, ",")
	host, portText, err := splitPort(text)
	if err != nil {
		return address{}, err
	}
	a := address{host: host, port: defaultPort, tag: noGroupTag}
	if portText != "" {
		a.port, err = parsePort(portText)
	}
	if err == nil && tagged {
		a.tag, err = parseGroupTag(tagText)
	}
	return a, err
}

// splitPort parts host and port; port is empty where none is given.
func splitPort(text string) (host, port string, err error) {
	if inner, ok := strings.CutPrefix(text, "["); ok {
		return splitBracketed(inner)
	}
	if strings.Count(text, ":") > 1 {
		return text, "", checkIPv6(text)
	}
	host, port, found := strings.Cut(text, ":")
	if found && port == "" {
		return "", "", errors.New("the port after the colon is missing")
	}
	return host, port, checkHost(host)
}

// splitBracketed parts what follows the opening bracket.
func splitBracketed(inner string) (host, port string, err error) {
	host, rest, found := strings.Cut(inner, "]")
	if !found {
		return "", "", errors.New("the closing bracket is missing")
	}
	port, found = strings.CutPrefix(rest, ":")
	if rest != "" && (!found || port == "") {
		return "", "", errors.New("after the bracket comes no port")
	}
	return host, port, checkIPv6(host)
}

func checkIPv6(host string) error {
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Is6() || !nameLike(ip.Zone()) {
		return errors.New("its IPv6 address is malformed")
	}
	return nil
}

func checkHost(host string) error {
	switch {
	case host == "":
		return errors.New("the host is missing")
	case len(host) > 253 || !nameLike(host):
		return errors.New("its host is neither a DNS name nor an IP address")
	}
	return nil
}

// nameLike tells whether s holds only what DNS names and network devices are
// made of.
func nameLike(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !isAlphanumeric(c) && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return true
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, errors.New("its port is no number from 1 to 65535")
	}
	return uint16(n), nil
}

func parseGroupTag(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, errors.New("its portal group tag is no number from 0 to 65535")
	}
	return int(n), nil
}
