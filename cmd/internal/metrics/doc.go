// Package metrics serves what a mount does in Prometheus' text format: [metrics]
// listen of the configuration. It knows neither daemon nor session: who serves hands
// it a function that tells how the mount does at this moment, which each scrape calls.
//
// Labels are bounded by the configuration and by the number of LUNs: mountpoint,
// target, lun, and words that are listed here. What a target says of itself, which may
// be any text and any number of texts, is in `iscsifs status`.
package metrics
