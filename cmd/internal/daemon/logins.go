package daemon

import (
	"slices"
	"sync"
)

// Logins is how far a start is.
type Logins struct {
	Done    int      `json:"done"`    // targets that it waits for no longer
	Total   int      `json:"total"`   // targets
	Missing []string `json:"missing"` // names of those that it waits for, in file order
}

// loginCount counts the targets that a start waits for.
type loginCount struct {
	tell func(Logins) // nil = nobody wants to know

	mu sync.Mutex // guards what follows, and the order of what is told
	Logins
}

// countLogins begins with all targets missing.
func countLogins(list []outcome, tell func(Logins)) *loginCount {
	c := &loginCount{tell: tell}
	for _, o := range list {
		c.Missing = append(c.Missing, o.t.cfg().IQN)
	}
	c.Total = len(list)
	if tell != nil {
		tell(c.Logins)
	}
	return c
}

// answered notes that a target has let the start in, or is not waited for any more.
func (c *loginCount) answered(t *target) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Done++
	c.Missing = slices.DeleteFunc(slices.Clone(c.Missing), func(iqn string) bool { return iqn == t.cfg().IQN })
	if c.tell != nil {
		c.tell(c.Logins)
	}
}
