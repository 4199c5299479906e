package fusefs

import (
	"io/fs"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// Options say how the tree looks to those who use it.
type Options struct {
	UID, GID uint32         // owner of everything in the tree
	Mode     fs.FileMode    // permission bits of the LUN files; directories get the matching x bits
	ReadOnly bool           // nothing can be opened for writing, and the mount is read-only
	Logger   zerolog.Logger // the zero Logger is silent
}

// FS is the tree: the root, directories in it, and LUN files and symbolic
// links in both. All its methods may be called concurrently, before and while
// it is mounted. An FS is mounted once.
type FS struct {
	opts   Options
	log    zerolog.Logger
	made   time.Time      // the time stamps of directories and links
	sweep  sweeper        // ends the waits of killed processes
	later  sync.WaitGroup // synchronizations that nobody waits for
	failed errorLog       // says what failed, but not over and over

	mu    sync.RWMutex // guards what follows, and the children of every directory
	root  *node
	nodes map[uint64]*node // by node id, all that is in the tree

	handles handleTable
}

// New returns an empty tree.
func New(opts Options) *FS {
	f := &FS{opts: opts, log: opts.Logger, made: time.Now(), nodes: map[uint64]*node{}}
	f.opts.Mode &= fs.ModePerm
	f.handles.open = map[uint64]*handle{}
	f.sweep.log = opts.Logger
	f.root = &node{id: rootID, children: map[string]*node{}}
	f.nodes[rootID] = f.root
	return f
}
