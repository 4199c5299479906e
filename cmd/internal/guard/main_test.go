package guard

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// TestMain is another process that holds a lock, too, until it is killed.
func TestMain(m *testing.M) {
	if point := os.Getenv("GUARD_TEST_HOLD"); point != "" {
		_, err := Mountpoint(context.Background(), point, Use{Mountpoint: point, Socket: "/run/x"})
		fmt.Println(err)
		time.Sleep(time.Minute)
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}
