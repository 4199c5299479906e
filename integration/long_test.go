package integration

import "flag"

// long makes the tests of faults last longer; `make test-long` sets it. They run beside
// each other, since they wait most of the time.
var long = flag.Int("long", 1, "multiplies the length of the tests under faults")
