package mounts

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links a path may go through, as in the kernel.
const maxLinks = 40

// errLoop says that a path goes through too many symbolic links.
var errLoop = errors.New("too many symbolic links")

// Resolve makes a path absolute and free of symbolic links, as mountinfo has it.
// It looks at nothing at or below a mount of iscsifs: from there on the path is
// taken as it is written.
func Resolve(path string) (string, error) {
	infos, err := all()
	if err != nil {
		return "", err
	}
	points := make(map[string]bool, len(infos))
	for _, info := range infos {
		points[info.Mountpoint] = true
	}
	resolved, err := resolve(path, points)
	if err != nil {
		return "", fmt.Errorf("cannot resolve the path %q: %w", path, err)
	}
	return resolved, nil
}

func resolve(path string, points map[string]bool) (string, error) {
	if path == "" {
		return "", unix.ENOENT
	}
	done, rest := "/", path
	if !filepath.IsAbs(path) {
		wd, err := workingDirectory()
		if err != nil {
			return "", err
		}
		rest = wd + "/" + path
	}
	for links := 0; rest != ""; {
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		next, target, err := step(done, name, points)
		if err != nil {
			return "", err
		}
		done = next
		if target == "" {
			continue
		}
		if links++; links > maxLinks {
			return "", errLoop
		}
		rest = target + "/" + rest
		if filepath.IsAbs(target) {
			done = "/"
		}
	}
	return done, nil
}

// workingDirectory asks the kernel alone: os.Getwd stats the directory, which may
// be in a mount that does not answer.
func workingDirectory() (string, error) {
	buffer := make([]byte, unix.PathMax)
	n, err := unix.Getcwd(buffer)
	if err != nil {
		return "", fmt.Errorf("the working directory: %w", err)
	}
	return unix.ByteSliceToString(buffer[:n]), nil
}

// step goes from a resolved directory to one of its names: to the path there, or
// to the directory itself and the target of the link that the name is.
func step(dir, name string, points map[string]bool) (next, target string, err error) {
	next = filepath.Join(dir, name) // "" and "." stay, ".." goes up: dir has no links
	if next == dir || name == ".." || within(next, points) {
		return next, "", nil
	}
	target, err = os.Readlink(next)
	switch {
	case err == nil:
		return dir, target, nil
	case errors.Is(err, unix.EINVAL): // no link
		return next, "", nil
	default:
		return "", "", err
	}
}

// within tells whether a path is one of the mountpoints or below one.
func within(path string, points map[string]bool) bool {
	for ; path != "/"; path = filepath.Dir(path) {
		if points[path] {
			return true
		}
	}
	return false
}
