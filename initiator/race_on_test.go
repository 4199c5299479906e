//go:build race

package initiator

// raceDetector tells whether the tests run under the race detector.
const raceDetector = true
