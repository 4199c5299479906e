package pdu

import (
	"bytes"
	"errors"
	"fmt"
)

// Bounds of text keys (RFC 7143, Section 6.1).
const (
	MaxKeyLength   = 63  // bytes of a key's name
	MaxValueLength = 255 // bytes of a value, unless its key says otherwise
	// MaxTextLength bounds all keys of one exchange of several PDUs here; the
	// standard has no bound.
	MaxTextLength = 1 << 20
)

// KeyValue is one text key, such as MaxBurstLength=262144.
type KeyValue struct {
	Key, Value string
}

// Errors of ParseKeys.
var (
	ErrKeyFormat = errors.New("text key without a name or an equals sign")
	ErrKeyEnd    = errors.New("text keys do not end with a zero byte")
)

// AppendKeys appends keys as they stand in a data segment: each followed by a
// zero byte (RFC 7143, Section 6.1).
func AppendKeys(b []byte, keys ...KeyValue) []byte {
	for _, kv := range keys {
		b = append(b, kv.Key...)
		b = append(b, '=')
		b = append(b, kv.Value...)
		b = append(b, 0)
	}
	return b
}

// ParseKeys reads the keys of a data segment, or of several joined ones that
// the C bit tied together, in their order and with repetitions. Empty strings
// between zero bytes are passed over, as some targets pad with them.
func ParseKeys(b []byte) ([]KeyValue, error) {
	var keys []KeyValue
	for len(b) > 0 {
		end := bytes.IndexByte(b, 0)
		if end < 0 {
			return nil, ErrKeyEnd
		}
		if end > 0 {
			kv, err := parseKey(b[:end])
			if err != nil {
				return nil, err
			}
			keys = append(keys, kv)
		}
		b = b[end+1:]
	}
	return keys, nil
}

func parseKey(b []byte) (KeyValue, error) {
	name, value, found := bytes.Cut(b, []byte{'='})
	if !found || len(name) == 0 {
		return KeyValue{}, fmt.Errorf("%w: %.40q", ErrKeyFormat, b)
	}
	// A standard-label has at most 63 characters (Section 6.1).
	if len(name) > MaxKeyLength {
		return KeyValue{}, fmt.Errorf("text key name of %d bytes, more than %d: %.40q", len(name), MaxKeyLength, name)
	}
	return KeyValue{string(name), string(value)}, nil
}
