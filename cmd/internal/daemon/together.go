package daemon

import (
	"sync"
	"sync/atomic"
)

// maxTogether is how many LUNs of one target are asked something at the same time: a
// target of a thousand is there soon, also by a slow line, and is not flooded.
const maxTogether = 16

// together calls do for each number below n, maxTogether at a time, in order. After
// a failure it begins no more; it returns the failure of the lowest number.
func together(n int, do func(i int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var failed atomic.Bool
	var group sync.WaitGroup
	for range min(n, maxTogether) {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && !failed.Load(); i = int(next.Add(1)) - 1 {
				if errs[i] = do(i); errs[i] != nil {
					failed.Store(true)
				}
			}
		})
	}
	group.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
