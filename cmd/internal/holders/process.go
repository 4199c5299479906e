package holders

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"

	"github.com/iscsifs/iscsifs/cmd/internal/plain"
)

// kernelThread is PF_KTHREAD in the flags of /proc/PID/stat.
const kernelThread = 0x00200000

// processes finds the processes that use files of the mount, or devices that stand
// on them.
func (f *finder) processes(ctx context.Context) error {
	entries, err := os.ReadDir(f.path("proc"))
	if err != nil {
		return err
	}
	tables := map[string]mountTable{}
	hidden := 0
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == f.daemon {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		p := process{finder: f, pid: pid, dir: f.path("proc", entry.Name())}
		switch err := p.look(ctx, tables); {
		case errors.Is(err, fs.ErrPermission) && !p.kernel():
			hidden++
		case errors.Is(err, errStuck):
			f.notes = append(f.notes, Note(fmt.Sprintf("process %d (%s) is stuck: whether it has a file of %s mapped cannot be told",
				pid, p.name(), f.mount.Point)))
		}
	}
	f.noteHidden(hidden)
	return nil
}

// noteHidden says that there are processes that could not be looked into, unless
// they cannot reach the mount.
func (f *finder) noteHidden(n int) {
	if n == 0 || !f.mount.AllowOther && os.Geteuid() == f.mount.UserID {
		return
	}
	f.notes = append(f.notes, Note(fmt.Sprintf(
		"%d processes of other users could not be looked into: run it as root to see whether they use %s", n, f.mount.Point)))
}

// process is one directory of /proc.
type process struct {
	*finder
	pid   int
	dir   string
	table mountTable // of its mount namespace
}

// look adds the files that the process uses. It fails where the process may not be
// looked into; one that has ended uses nothing.
func (p *process) look(ctx context.Context, tables map[string]mountTable) error {
	descriptors, err := os.ReadDir(p.dir + "/fd")
	if err != nil {
		return err
	}
	p.table = p.namespace(tables)
	files := map[string]bool{}
	for _, d := range descriptors {
		if file, ok := p.descriptor(d.Name()); ok {
			files[file] = true
		}
	}
	for _, link := range []string{"root", "exe"} {
		if file, ok := p.linked(link); ok {
			files[file] = true
		}
	}
	mapped, err := p.mapped(ctx)
	for _, file := range mapped {
		files[file] = true
	}
	inside := ""
	if file, ok := p.linked("cwd"); ok && !files[file] {
		inside, files[file] = file, true
	}
	p.add(files, inside)
	return err
}

// add adds the process as a holder of the files; of inside only because it works there.
func (p *process) add(files map[string]bool, inside string) {
	for _, file := range sorted(files) {
		p.running = append(p.running, Holder{
			LUNPath: file, Kind: Process, Name: p.name(), PID: p.pid, User: p.user(), Inside: file == inside,
			Command: "kill " + strconv.Itoa(p.pid),
		})
	}
}

// namespace returns the mounts as the process sees them, read once for all processes
// of one mount namespace.
func (p *process) namespace(tables map[string]mountTable) mountTable {
	id, err := os.Readlink(p.dir + "/ns/mnt")
	if err != nil {
		return p.finder.table
	}
	if table, known := tables[id]; known {
		return table
	}
	table, err := p.mountTable(strconv.Itoa(p.pid))
	if err != nil {
		return p.finder.table
	}
	tables[id] = table
	return table
}

// descriptor returns the file of the mount that an open descriptor uses, itself, as a
// block device, or as a file of a file system that stands on it.
func (p *process) descriptor(fd string) (string, bool) {
	target, err := os.Readlink(p.dir + "/fd/" + fd) // safe: the kernel spells its own path
	if err != nil {
		return "", false
	}
	if file, ok := p.nodes[target]; ok {
		return file, true
	}
	info := p.table.byID(mountID(read(p.dir + "/fdinfo/" + fd)))
	if info == nil {
		return "", false
	}
	if file, ok := p.above[deviceKey(info.Major, info.Minor)]; ok {
		return file, true
	}
	if info.Major != p.mount.Major || info.Minor != p.mount.Minor {
		return "", false
	}
	return p.translate(target, info)
}

// mountID returns the mount id that a descriptor's fdinfo tells; 0 if none.
func mountID(fdinfo string) int {
	for line := range strings.Lines(fdinfo) {
		if value, ok := strings.CutPrefix(line, "mnt_id:"); ok {
			id, _ := strconv.Atoi(strings.TrimSpace(value))
			return id
		}
	}
	return 0
}

// linked returns the path below the mountpoint to which a link of the process's
// directory leads: its working directory, root or program; or the file on which the
// file system stands to which it leads.
func (p *process) linked(link string) (string, bool) {
	target, err := os.Readlink(p.dir + "/" + link)
	if err != nil {
		return "", false
	}
	for _, info := range p.table.of(p.mount) {
		if file, ok := p.translate(target, info); ok {
			return file, true
		}
	}
	if info := p.table.leading(target); info != nil {
		file, ok := p.above[deviceKey(info.Major, info.Minor)]
		return file, ok
	}
	return "", false
}

func (p *process) name() string { return plain.Text(read(p.dir + "/comm")) }

// user returns the name of the process's real user, or the number.
func (p *process) user() string {
	for line := range strings.Lines(read(p.dir + "/status")) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "Uid:" {
			if u, err := user.LookupId(fields[1]); err == nil {
				return u.Username
			}
			return fields[1]
		}
	}
	return "unknown"
}

// kernel tells whether it is a thread of the kernel, which opens no files.
func (p *process) kernel() bool {
	stat := read(p.dir + "/stat")
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const flags = 6 // the 9th field of the line, the 7th after the name
	if len(fields) <= flags {
		return false
	}
	n, _ := strconv.ParseUint(fields[flags], 10, 64)
	return n&kernelThread != 0
}
