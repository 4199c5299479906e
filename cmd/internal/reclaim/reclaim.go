package reclaim

// Protection is what a process has of the three, and what it lacks.
type Protection struct {
	IOFlusher   bool     // on every thread, and on those to come
	Locked      Locked   // what stays in memory
	OOMScoreAdj int      // from -1000, never killed, to 1000
	Gaps        []string // a sentence for each that is missing: what, why, and what it means
}

// Locked says which memory of a process stays in memory.
type Locked string

// The values of Locked.
const (
	All   Locked = "all"   // everything, as soon as it is used
	Cache Locked = "cache" // the cache, not what serves requests
	None  Locked = "none"
)

// Protect takes as much protection as this process may have. lockCache keeps the
// memory of the cache from being swapped; it is called only where not everything can
// be locked. Protect is called once, after what needs a set-uid program: the kernel
// gives such a child to root, and [Release] could not free it again.
func Protect(lockCache func() error) Protection {
	var p Protection
	p.add(p.setFlusher())
	p.add(p.lock(lockCache))
	p.add(p.lowerScore())
	return p
}

func (p *Protection) add(gap string) {
	if gap != "" {
		p.Gaps = append(p.Gaps, gap)
	}
}
