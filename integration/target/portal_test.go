package target

import (
	"os/exec"
	"sync"
	"testing"
)

// TestListenBesideForks: a process that is being started does not keep a portal from
// listening again.
func TestListenBesideForks(t *testing.T) {
	target := start(t, Config{})
	var forks sync.WaitGroup
	stop := make(chan struct{})
	for range 8 {
		forks.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := exec.Command("true").Run(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for range 200 {
		if err := target.StopListening(); err != nil {
			t.Fatal(err)
		}
		if err := target.Listen(); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	forks.Wait()
}
