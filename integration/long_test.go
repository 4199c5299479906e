package integration

import "flag"

// long makes the tests of faults last longer; `make test-long` sets it.
var long = flag.Int("long", 1, "multiplies the length of the tests under faults")
