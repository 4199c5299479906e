package holders

import (
	"bufio"
	"context"
	"errors"
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
	found := make(chan []mapping, 1)
	go func() { found <- mappings(p.dir + "/maps") }()
	select {
	case list := <-found:
		return p.filesOf(list), nil
	case <-ctx.Done():
		return nil, errStuck
	}
}

// mapping is one file that a process has in its memory.
type mapping struct{ device, path string } // device is a deviceKey

// mappings reads the files of a memory map.
func mappings(maps string) []mapping {
	f, err := os.Open(maps)
	if err != nil {
		return nil
	}
	defer f.Close()
	var list []mapping
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		// ADDRESS PERMISSIONS OFFSET DEVICE INODE          PATH
		fields := strings.Fields(lines.Text())
		if len(fields) > 5 {
			list = append(list, mapping{fields[3], lines.Text()[strings.Index(lines.Text(), fields[5]):]})
		}
	}
	return list
}

// filesOf returns the files of the mount that are mapped, or on which a file system
// stands of which a file is mapped.
func (p *process) filesOf(list []mapping) []string {
	var files []string
	for _, m := range list {
		if file, ok := p.above[m.device]; ok {
			files = append(files, file)
		}
		if m.device == deviceKey(p.mount.Major, p.mount.Minor) {
			files = append(files, p.seen(m.path))
		}
	}
	return files
}

// seen translates a path of the mount as the process sees it.
func (p *process) seen(path string) string {
	file := filepath.Join(p.mount.Point, path) // a path that is below no mount was detached
	for _, info := range p.table.of(p.mount) {
		if translated, ok := p.translate(path, info); ok {
			file = translated
		}
	}
	return file
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }
