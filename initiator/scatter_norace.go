//go:build !race

package initiator

// tellRaceDetector does nothing without one.
func (s *scatter) tellRaceDetector() {}
