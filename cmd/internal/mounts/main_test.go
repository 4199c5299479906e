package mounts

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/iscsifs/iscsifs/cmd/internal/fusetest"
)

func TestMain(m *testing.M) {
	fusetest.Main()
	goleak.VerifyTestMain(m)
}
