package scsi

import (
	"errors"
	"fmt"
)

// ErrMalformed is wrapped by every error of this package's parsers but
// ErrCapacityTooLarge: the target sent data that its standard does not allow.
var ErrMalformed = errors.New("malformed SCSI data")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

func tooShort(what string, have, need int) error {
	return malformed("%s has %d bytes, needs at least %d", what, have, need)
}
