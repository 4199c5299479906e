package initiator

import "context"

// maxPieces is how many commands of one access are under way at once, at most.
const maxPieces = 16

// pipeline is a queue of commands of one access that are under way. Its owner is
// the goroutine that makes the access.
type pipeline struct {
	d       *Disk
	op      string           // for errors
	most    int              // under way at once; 0: maxPieces
	tasks   [maxPieces]*task // a ring: the oldest is tasks[first]
	first   int
	n       int
	queued  bool  // some of them wait to be sent together
	failure error // the first
}

// takeToken waits for the right to have one more command in flight. While the
// access has some of its own, it finishes those first.
func (x *pipeline) takeToken(ctx context.Context) bool {
	if x.n == maxPieces || x.n == x.most && x.most > 0 {
		x.finishOldest(ctx)
	}
	for x.n > 0 {
		select {
		case x.d.depth <- struct{}{}:
			return true
		default:
			x.finishOldest(ctx)
		}
	}
	select {
	case x.d.depth <- struct{}{}:
		return true
	case <-ctx.Done():
		x.failed(x.d.error(x.op, context.Cause(ctx)))
		return false
	}
}

// start queues a command, for which takeToken was called.
func (x *pipeline) start(t *task) {
	if err := x.d.s.queue(t); err != nil {
		x.failed(x.d.s.commandError(t, err))
		t.release()
		<-x.d.depth
		return
	}
	x.queued = true
	x.tasks[(x.first+x.n)%maxPieces] = t
	x.n++
}

// drain waits for all commands, and returns the first error of the access.
func (x *pipeline) drain(ctx context.Context) error {
	// The last to answer is likely the last that was sent: who waits for it first
	// is woken once, not once for each.
	for x.n > 0 {
		x.n--
		x.finish(ctx, (x.first+x.n)%maxPieces)
	}
	return x.failure
}

// finishOldest waits for the command that was submitted first.
func (x *pipeline) finishOldest(ctx context.Context) {
	oldest := x.first
	x.first, x.n = (x.first+1)%maxPieces, x.n-1
	x.finish(ctx, oldest)
}

// finish waits for the command in place i of the ring, which has left it.
func (x *pipeline) finish(ctx context.Context, i int) {
	if x.queued {
		x.d.s.send()
		x.queued = false
	}
	t := x.tasks[i]
	x.tasks[i] = nil
	x.failed(x.d.s.finish(ctx, t))
	t.release()
	<-x.d.depth
}

// failed keeps the first error.
func (x *pipeline) failed(err error) {
	if x.failure == nil {
		x.failure = err
	}
}
