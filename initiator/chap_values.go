package initiator

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
)

// maxCHAPValue bounds challenges in bytes (RFC 7143, Section 12.1.3).
const maxCHAPValue = 1024

// maxCHAPText is the longest text of a binary value, in hexadecimal.
const maxCHAPText = 2 + 2*maxCHAPValue

var errCHAPValue = errors.New("it is no hexadecimal or base64 value")

// encodeCHAP writes a binary value; every target understands hexadecimal.
func encodeCHAP(b []byte) string { return "0x" + hex.EncodeToString(b) }

// decodeCHAP reads a binary value of 1 to 1,024 bytes: 0x and hexadecimal
// digits of any case, or 0b and base64 (RFC 7143, Section 6.1).
func decodeCHAP(v string) ([]byte, error) {
	if len(v) > maxCHAPText {
		return nil, errors.New("it is too long")
	}
	b, err := decodeBinary(v)
	switch {
	case err != nil:
		return nil, errCHAPValue
	case len(b) == 0:
		return nil, errors.New("it is empty")
	case len(b) > maxCHAPValue:
		return nil, errors.New("it is too long")
	}
	return b, nil
}

func decodeBinary(v string) ([]byte, error) {
	if len(v) < 2 || v[0] != '0' {
		return nil, errCHAPValue
	}
	digits := v[2:]
	switch v[1] {
	case 'x', 'X':
		return hex.DecodeString(digits)
	case 'b', 'B':
		return decodeBase64(digits)
	}
	return nil, errCHAPValue
}

// decodeBase64 takes values without padding too. Line ends, which the library
// passes over, do not belong into a key.
func decodeBase64(digits string) ([]byte, error) {
	if strings.ContainsAny(digits, "\r\n") {
		return nil, errCHAPValue
	}
	return base64.RawStdEncoding.DecodeString(strings.TrimRight(digits, "="))
}
