package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/iscsifs/iscsifs/integration/target"
)

// parseLUN reads SIZE[,block=N][,thin][,cache][,readonly][,file=PATH].
func parseLUN(spec string) (*target.LUN, error) {
	fields := strings.Split(spec, ",")
	size, err := parseSize(fields[0])
	if err != nil {
		return nil, err
	}
	block, path := 512, ""
	var options []target.Option
	for _, f := range fields[1:] {
		key, value, _ := strings.Cut(f, "=")
		switch key {
		case "block":
			if block, err = strconv.Atoi(value); err != nil || block <= 0 {
				return nil, fmt.Errorf("LUN %q: block size %q", spec, value)
			}
		case "file":
			path = value
		case "thin":
			options = append(options, target.Thin())
		case "cache":
			options = append(options, target.WriteCache())
		case "readonly":
			options = append(options, target.ReadOnly())
		default:
			return nil, fmt.Errorf("LUN %q: unknown attribute %q", spec, key)
		}
	}
	if path != "" {
		return target.NewFileLUN(path, size, block, options...)
	}
	return target.NewMemoryLUN(size, block, options...), nil
}

var units = map[string]int64{"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}

// parseSize reads a number of bytes with a binary unit.
func parseSize(s string) (int64, error) {
	digits := strings.TrimRight(s, "KMGTiB")
	unit, known := units[s[len(digits):]]
	n, err := strconv.ParseInt(digits, 10, 40)
	if err != nil || !known {
		return 0, fmt.Errorf("size %q is not a number with KiB, MiB, GiB or TiB", s)
	}
	return n * unit, nil
}

// secret reads a file and cuts one newline at its end.
func secret(path string) (string, error) {
	b, err := os.ReadFile(path)
	return string(bytes.TrimSuffix(b, []byte("\n"))), err
}
