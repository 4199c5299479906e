package holders

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// mapsTime is how long a process's memory map may take to be read.
const mapsTime = 500 * time.Millisecond

// errStuck says that a memory map cannot be read now.
var errStuck = errors.New("the memory map is locked")

// mapped returns the files of the mount that the process has in its memory. The
// kernel locks the map while the process waits for a page of it, from a dead
// target perhaps; the reader is left behind then and ends with that wait, at the
// latest with this process: it can be killed.
func (p *process) mapped(ctx context.Context) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, mapsTime)
	defer cancel()
	paths := make(chan []string, 1)
	go func() { paths <- mappedPaths(p.dir+"/maps", fmt.Sprintf("%02x:%02x", p.mount.Major, p.mount.Minor)) }()
	select {
	case list := <-paths:
		return p.filesOf(list), nil
	case <-ctx.Done():
		return nil, errStuck
	}
}

// mappedPaths returns the paths that a memory map has of a device (MAJOR:MINOR in
// hexadecimal).
func mappedPaths(maps, device string) []string {
	f, err := os.Open(maps)
	if err != nil {
		return nil
	}
	defer f.Close()
	var paths []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// ADDRESS PERMISSIONS OFFSET DEVICE INODE          PATH
		fields := strings.Fields(lines.Text())
		if len(fields) > 5 && fields[3] == device {
			paths = append(paths, lines.Text()[strings.Index(lines.Text(), fields[5]):])
		}
	}
	return paths
}

// filesOf translates paths as the process sees them.
func (p *process) filesOf(paths []string) []string {
	var files []string
	for _, path := range paths {
		// The device is the mount's: a path that is not below it was detached.
		file := filepath.Join(p.mount.Point, path)
		for _, info := range p.table.of(p.mount) {
			if translated, ok := p.translate(path, info); ok {
				file = translated
			}
		}
		files = append(files, file)
	}
	return files
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
