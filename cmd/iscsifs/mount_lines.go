package main

import (
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/iscsifs/iscsifs/cmd/internal/plain"
	"github.com/iscsifs/iscsifs/cmd/internal/status"
)

// usualBlock is the block size in bytes that loop devices have by default.
const usualBlock = 512

// mountedLines are what `iscsifs mount` prints: a line for each LUN, and the
// losetup line for one whose blocks are not what losetup assumes.
func mountedLines(m status.Mount) []string {
	var lines []string
	for _, t := range m.Targets {
		for _, l := range t.LUNs {
			lines = append(lines, fmt.Sprintf("%s  %s  %s  LUN %d", l.Path, humanize.IBytes(uint64(l.Size)), t.IQN, l.LUN))
			if l.BlockSize != usualBlock {
				lines = append(lines, "  "+losetupLine(l))
			}
		}
	}
	return lines
}

// losetupLine attaches a LUN to a loop device with the LUN's own block size.
func losetupLine(l status.LUN) string {
	readOnly := ""
	if l.ReadOnly {
		readOnly = " --read-only"
	}
	return fmt.Sprintf("losetup --find --show --direct-io=on --sector-size %d%s %s", l.BlockSize, readOnly, plain.Quoted(l.Path))
}

// missingLines warn of the targets that are not there yet.
func missingLines(m status.Mount) []string {
	var lines []string
	for _, t := range m.Targets {
		switch {
		case len(t.LUNs) > 0:
		case t.State == "logged out":
			lines = append(lines, fmt.Sprintf("iscsifs: mounted without %s: %s", t.IQN, plain.Text(t.Reason)))
		default:
			lines = append(lines, fmt.Sprintf("iscsifs: mounted without %s, whose files appear when it answers: %s", t.IQN, plain.Text(t.Reason)))
		}
	}
	return lines
}
