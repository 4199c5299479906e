package daemon

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/initiator"
)

// The pause between attempts to log in doubles from the one to the other.
const (
	firstPause = time.Second
	longPause  = 30 * time.Second
)

// connection is what an attempt brought: a session with all wanted disks open.
// Its owner logs out.
type connection struct {
	session session
	disks   []openDisk // by number
}

// connect makes one attempt to log in and to open the wanted disks. The caller has
// the target's turn, or is the start.
func (t *target) connect(ctx context.Context) (*connection, error) {
	select {
	case t.slots <- struct{}{}:
		defer func() { <-t.slots }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	before := t.now()
	t.takeOver()
	t.change(connecting, nil)
	c, err := t.attempt(ctx)
	if err != nil {
		t.change(before, err)
		return nil, err
	}
	return c, nil
}

func (t *target) attempt(ctx context.Context) (*connection, error) {
	s, err := t.open(ctx, t.pathsIn(), t.several())
	if err != nil {
		return nil, Classify(err)
	}
	disks, err := openDisks(ctx, s, t.cfg())
	if err != nil {
		logout(ctx, s, t.log)
		return nil, Classify(err)
	}
	return &connection{s, disks}, nil
}

// connectWithin goes on trying until limit has passed: at least once, and not
// again after a refusal, which another attempt with the same password would
// only repeat.
func (t *target) connectWithin(ctx context.Context, limit time.Duration) (*connection, error) {
	deadline, said := time.Now().Add(limit), ""
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		c, err := t.connect(ctx)
		left := time.Until(deadline)
		if err == nil || initiator.Refused(err) || left <= 0 {
			return c, err
		}
		pause = min(pause, left) // the last attempt is at the end of the limit
		t.say(err, &said, pause)
		if err := t.pause(ctx, pause); err != nil {
			return nil, err
		}
	}
}

// say logs why an attempt failed, and loudly only what has not been said.
func (t *target) say(err error, said *string, pause time.Duration) {
	level := zerolog.DebugLevel
	if why := err.Error(); why != *said {
		*said, level = why, zerolog.WarnLevel
	}
	t.log.WithLevel(level).Err(err).Stringer("again_in", pause).Msg("cannot log in yet: it is tried again")
}

// keepTrying tries until use takes a connection, somebody else has seen to it, or
// ctx ends.
func (t *target) keepTrying(ctx context.Context, use func(*connection) error) {
	t.mu.Lock()
	said := reason(t.reason) // whoever mounts without the target has told
	t.mu.Unlock()
	for pause := firstPause; t.pause(ctx, pause) == nil; pause = min(2*pause, longPause) {
		last, err := t.tryOnce(ctx, use)
		if last {
			return
		}
		t.say(err, &said, min(2*pause, longPause))
	}
}

// tryOnce is one attempt of the background; last tells that there is to be no other.
func (t *target) tryOnce(ctx context.Context, use func(*connection) error) (last bool, err error) {
	if t.takeTurn(ctx) != nil {
		return true, nil
	}
	defer t.giveTurn()
	if t.now() != waiting {
		return true, nil
	}
	c, err := t.connect(ctx)
	if err == nil {
		err = use(c)
	}
	if err == nil || ctx.Err() != nil {
		return true, nil
	}
	t.change(waiting, err)
	return false, err
}

// pause waits before the next attempt.
func (t *target) pause(ctx context.Context, d time.Duration) error {
	t.mu.Lock()
	if t.state == waiting {
		t.nextAttempt = time.Now().Add(d)
	}
	t.mu.Unlock()
	return sleep(ctx, d)
}

// try has the background try a target until its files are there. The caller has the
// right to start something in the background.
func (d *Daemon) try(t *target) {
	ctx, stop := context.WithCancel(t.ctx)
	t.mu.Lock()
	t.stopTrying = stop
	t.mu.Unlock()
	d.background.Go(func() {
		defer stop()
		t.keepTrying(ctx, func(c *connection) error {
			err := d.attach(ctx, t, c)
			if err == nil {
				t.log.Info().Int("luns", len(c.disks)).Msg("the target has answered: its files are there")
			}
			return err
		})
	})
}

// giveUpTrying ends the attempts of the background, also one under way.
func (t *target) giveUpTrying() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stopTrying != nil {
		t.stopTrying()
	}
}
