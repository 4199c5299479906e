package vm

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// File is what a machine has beyond the image.
type File struct {
	Path string // in the machine, absolute; an empty directory when it ends in a slash
	From string // a file of the host to copy; "" = Text
	Text string
	Link string // if not "", a symbolic link to this
	Mode uint32 // permissions; 0 = 0644
}

// initramfs writes the archive that the kernel unpacks as its first root: the
// guest as /init, the early modules, and the files, which the guest adds to the
// root file system.
func initramfs(to string, guest string, early []string, files []File) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	defer f.Close()
	buffered := bufio.NewWriterSize(f, 1<<20)
	a := &archive{w: buffered, made: []string{"/"}}
	a.add(File{Path: "/init", From: guest, Mode: 0o755})
	for _, module := range early {
		a.add(File{Path: "/early/" + filepath.Base(module), From: module})
	}
	a.directory("/files")
	for _, file := range files {
		file.Path = "/files" + file.Path
		a.add(file)
	}
	a.end()
	if a.err == nil {
		a.err = buffered.Flush()
	}
	return a.err
}

// archive is a cpio archive in the format "newc" (Linux,
// Documentation/driver-api/early-userspace/buffer-format.rst). Its first error
// ends it.
type archive struct {
	w    io.Writer
	made []string // directories
	ino  int
	err  error
}

// Types of files, in the upper bits of a mode.
const (
	typeDirectory = 0o040000
	typeRegular   = 0o100000
	typeLink      = 0o120000
)

func (a *archive) add(f File) {
	a.directory(path.Dir(f.Path))
	if strings.HasSuffix(f.Path, "/") {
		return
	}
	switch {
	case f.Link != "":
		a.entry(f.Path, typeLink|0o777, []byte(f.Link))
	case f.From != "":
		data, err := os.ReadFile(f.From)
		if err != nil && a.err == nil {
			a.err = err
		}
		a.entry(f.Path, typeRegular|permissions(f.Mode), data)
	default:
		a.entry(f.Path, typeRegular|permissions(f.Mode), []byte(f.Text))
	}
}

func permissions(mode uint32) uint32 {
	if mode == 0 {
		return 0o644
	}
	return mode
}

// directory adds a directory and those above it, once.
func (a *archive) directory(name string) {
	if slices.Contains(a.made, name) {
		return
	}
	a.directory(path.Dir(name))
	a.made = append(a.made, name)
	a.entry(name, typeDirectory|0o755, nil)
}

// trailer is the name of an archive's last entry.
const trailer = "TRAILER!!!"

func (a *archive) end() { a.entry(trailer, 0, nil) }

// entry writes a header of 13 fields of eight hexadecimal digits, the name with a
// NUL, and the data, each filled up to a multiple of four bytes.
func (a *archive) entry(name string, mode uint32, data []byte) {
	a.ino++
	name = strings.TrimPrefix(name, "/")
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0, name)
	a.write([]byte(header))
	a.write(data)
}

func (a *archive) write(p []byte) {
	if a.err == nil {
		_, a.err = a.w.Write(p)
	}
	if a.err == nil {
		_, a.err = a.w.Write(make([]byte, (4-len(p)%4)%4))
	}
}
