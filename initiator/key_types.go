package initiator

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The answers that mean no value (RFC 7143, Section 6.2).
const (
	answerIrrelevant    = "Irrelevant"
	answerNotUnderstood = "NotUnderstood"
	answerReject        = "Reject"
)

func isNoValue(v string) bool {
	return v == answerIrrelevant || v == answerNotUnderstood || v == answerReject
}

// valueType is the type of a key's values together with its result function:
// how offer and answer become one result (RFC 7143, Sections 6.1 and 6.2).
type valueType interface {
	// check returns an error unless v may be said by anyone.
	check(v string) error
	// answer is what one who wants ours answers to the offer theirs.
	answer(theirs, ours string) string
	// allows tells whether answer may follow offer.
	allows(offer, answer string) bool
}

// numberValue is a number from min to max; the result is the smaller of both
// sides, or with larger the larger.
type numberValue struct {
	min, max int
	larger   bool
}

func (t numberValue) check(v string) error {
	n, err := parseNumber(v)
	if err == nil && (n < t.min || n > t.max) {
		err = fmt.Errorf("not from %d to %d", t.min, t.max)
	}
	return err
}

func (t numberValue) answer(theirs, ours string) string {
	a, b := mustNumber(theirs), mustNumber(ours)
	if t.larger {
		return strconv.Itoa(max(a, b))
	}
	return strconv.Itoa(min(a, b))
}

func (t numberValue) allows(offer, answer string) bool {
	return t.answer(offer, answer) == strconv.Itoa(mustNumber(answer))
}

// parseNumber reads a numerical value: decimal, or hexadecimal after 0x (RFC
// 7143, Section 6.1).
func parseNumber(v string) (int, error) {
	digits, base := v, 10
	if len(v) > 2 && v[0] == '0' && (v[1] == 'x' || v[1] == 'X') {
		digits, base = v[2:], 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil {
		return 0, errors.New("not a number that fits")
	}
	return int(n), nil
}

// mustNumber is parseNumber for values that were checked.
func mustNumber(v string) int {
	n, _ := parseNumber(v)
	return n
}

// booleanValue is Yes or No; the result is the AND of both sides, or with or the OR.
type booleanValue struct{ or bool }

func (t booleanValue) check(v string) error {
	if v != "Yes" && v != "No" {
		return errors.New("neither Yes nor No")
	}
	return nil
}

func (t booleanValue) answer(theirs, ours string) string {
	if t.or {
		return yesNo(theirs == "Yes" || ours == "Yes")
	}
	return yesNo(theirs == "Yes" && ours == "Yes")
}

func (t booleanValue) allows(offer, answer string) bool {
	return t.answer(offer, answer) == answer
}

// listValue is a list of values in order of preference, of which the answer
// names one.
type listValue struct{}

func (listValue) check(v string) error {
	if v == "" {
		return errors.New("an empty list")
	}
	return nil
}

func (listValue) answer(theirs, ours string) string {
	accepted := strings.Split(ours, ",")
	for v := range strings.SplitSeq(theirs, ",") {
		if slices.Contains(accepted, v) {
			return v
		}
	}
	return answerReject
}

func (listValue) allows(offer, answer string) bool {
	return slices.Contains(strings.Split(offer, ","), answer)
}

// textValue is a declared name or address, free within the length of any value.
type textValue struct{}

func (textValue) check(string) error               { return nil }
func (textValue) answer(theirs, _ string) string   { return theirs }
func (textValue) allows(offer, answer string) bool { return true }
