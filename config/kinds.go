package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// wrongType reports a value that is not even of the right TOML type. It never
// shows the value, which may be a password.
func wrongType[V any](n node, needs string) (V, bool) {
	var zero V
	n.fault("needs %s, not %s", needs, typeName(n.raw))
	return zero, false
}

// parsed is a kind that is written as a string, which parse turns into a V.
func parsed[V any](name string, parse func(string) (V, error), format func(V) string) kind[V] {
	return kind[V]{
		name: name,
		read: func(n node) (V, bool) {
			s, ok := n.raw.(string)
			if !ok {
				return wrongType[V](n, name)
			}
			v, err := parse(s)
			if err != nil {
				n.fault("%s", err)
			}
			return v, err == nil
		},
		write: func(v V) string { return tomlString(format(v)) },
	}
}

// text is a string that check, unless nil, finds nothing wrong with.
func text(name string, check func(string) error) kind[string] {
	same := func(s string) string { return s }
	return parsed(name, func(s string) (string, error) {
		if check == nil {
			return s, nil
		}
		return s, check(s)
	}, same)
}

// optional is a string that may also be empty, which stands for its absence.
func optional(name string, check func(string) error) kind[string] {
	return text(name, func(s string) error {
		if s == "" {
			return nil
		}
		return check(s)
	})
}

// enum is one of a few words.
func enum[E ~string](values ...E) kind[E] {
	return parsed(oneOf(values), func(s string) (E, error) {
		if !slices.Contains(values, E(s)) {
			return "", fmt.Errorf("must be %s, not %s", oneOf(values), quote(s))
		}
		return E(s), nil
	}, func(e E) string { return string(e) })
}

// boolean is true or false.
func boolean() kind[bool] {
	const name = "true or false (without quotes)"
	return kind[bool]{
		name: name,
		read: func(n node) (bool, bool) {
			b, ok := n.raw.(bool)
			if !ok {
				return wrongType[bool](n, name)
			}
			return b, true
		},
		write: strconv.FormatBool,
	}
}

// allowOther is written as a boolean where it is one.
func allowOther() kind[AllowOther] {
	const name = `true, false or "auto"`
	words := enum(AllowOtherTrue, AllowOtherFalse, AllowOtherAuto)
	return kind[AllowOther]{
		name: name,
		read: func(n node) (AllowOther, bool) {
			switch v := n.raw.(type) {
			case bool:
				return AllowOther(strconv.FormatBool(v)), true
			case string:
				return words.read(n)
			}
			return wrongType[AllowOther](n, name)
		},
		write: func(a AllowOther) string {
			if a == AllowOtherAuto {
				return tomlString(string(a))
			}
			return string(a)
		},
	}
}

// integer is a whole number between two bounds, both included.
func integer[I int | uint16 | uint32](low, high int64) kind[I] {
	name := fmt.Sprintf("an integer from %d to %d", low, high)
	return kind[I]{
		name: name,
		read: func(n node) (I, bool) {
			i, ok := n.raw.(int64)
			if !ok {
				return wrongType[I](n, name)
			}
			if i < low || i > high {
				n.fault("must be %s, not %d", strings.TrimPrefix(name, "an integer "), i)
				return 0, false
			}
			return I(i), true
		},
		write: func(i I) string { return strconv.FormatInt(int64(i), 10) },
	}
}

// pointer is a kind whose absence is nil.
func pointer[V any](k kind[V]) kind[*V] {
	return kind[*V]{
		name: k.name,
		read: func(n node) (*V, bool) {
			v, ok := k.read(n)
			return &v, ok
		},
		write: func(v *V) string {
			if v == nil {
				return ""
			}
			return k.write(*v)
		},
	}
}

// unlessEmpty is a kind of string that is not shown where it is empty.
func unlessEmpty(k kind[string]) kind[string] {
	write := k.write
	k.write = func(s string) string {
		if s == "" {
			return ""
		}
		return write(s)
	}
	return k
}

// quote shows a string from the file in a message, at bearable length.
func quote(s string) string {
	const most = 80
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return strconv.Quote(s)
}

// tomlString writes a basic string of TOML.
func tomlString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
