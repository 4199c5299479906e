//go:build race

package integration

// raceDetector: the binary is built the way the tests are.
const raceDetector = true
