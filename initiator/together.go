package initiator

import (
	"slices"
	"strings"
)

// together is several errors in one: those of several paths, which a user reads as one
// sentence. What they wrap it wraps too.
type together struct{ all []error }

// join returns the errors that there are as one, nil where there is none. Those that say
// the same, as several sessions by one portal do, count once.
func join(errs ...error) error {
	var all []error
	for _, err := range errs {
		if err != nil && !slices.ContainsFunc(all, func(other error) bool { return other.Error() == err.Error() }) {
			all = append(all, err)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return &together{all}
}

// Error has no line breaks.
func (t *together) Error() string {
	var words []string
	for _, err := range t.all {
		words = append(words, err.Error())
	}
	return strings.Join(words, "; ")
}

// Unwrap returns all of them.
func (t *together) Unwrap() []error { return t.all }
