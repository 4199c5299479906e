package target

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"strings"
)

// CHAP algorithms (RFC 7143, Section 12.1.3, and the IANA registry for PPP
// authentication algorithms).
const (
	chapMD5     = 5
	chapSHA1    = 6
	chapSHA256  = 7
	chapSHA3256 = 8
)

// chapResponse is the hash over identifier, secret and challenge (RFC 1994).
func chapResponse(algorithm int, id byte, secret string, challenge []byte) []byte {
	var h hash.Hash
	switch algorithm {
	case chapMD5:
		h = md5.New()
	case chapSHA1:
		h = sha1.New()
	case chapSHA256:
		h = sha256.New()
	default:
		h = sha3.New256()
	}
	h.Write([]byte{id})
	h.Write([]byte(secret))
	h.Write(challenge)
	return h.Sum(nil)
}

var errBinary = errors.New("binary value is neither 0x… nor 0b…")

// encodeBinary writes a binary value (RFC 7143, Section 6.1).
func encodeBinary(b []byte, base64Form bool) string {
	if base64Form {
		return "0b" + base64.StdEncoding.EncodeToString(b)
	}
	return "0x" + hex.EncodeToString(b)
}

// decodeBinary reads a binary value in either form.
func decodeBinary(s string) ([]byte, error) {
	if len(s) < 2 {
		return nil, errBinary
	}
	prefix, digits := strings.ToLower(s[:2]), s[2:]
	switch prefix {
	case "0x":
		if len(digits)%2 == 1 {
			digits = "0" + digits
		}
		return hex.DecodeString(digits)
	case "0b":
		return base64.StdEncoding.DecodeString(digits)
	}
	return nil, errBinary
}
