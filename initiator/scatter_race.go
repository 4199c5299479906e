//go:build race

package initiator

import (
	"runtime"
	"unsafe"
)

// tellRaceDetector reports what the kernel wrote.
func (s *scatter) tellRaceDetector() {
	left := s.n
	for _, v := range s.iov {
		n := min(left, int(v.Len))
		if n == 0 {
			return
		}
		runtime.RaceWriteRange(unsafe.Pointer(v.Base), n)
		left -= n
	}
}
