package target

import (
	"slices"
	"sync"
	"time"
)

// stage is where on its way a PDU or a command meets rules.
type stage int

const (
	onReceive stage = iota
	onExecute
	onSend
	stages
)

// Rule is a Match with its Action, in force until Remove.
type Rule struct {
	script *script
	stage  stage
	match  Match
	action Action

	mu   sync.Mutex
	hits int
	next chan struct{} // closed at the next hit
}

// OnReceive adds a rule for PDUs that were read, before anything is done with
// them. Login Requests know Drop, Stall, Delay, Cut, Edit and the answers of
// AnswerLogin and Redirect.
func (t *Target) OnReceive(m Match, a Action) *Rule { return t.script.add(onReceive, m, a) }

// OnExecute adds a rule for SCSI commands that have their turn and all their
// data, before they touch the medium. It knows Hold, Delay, Drop, Answer and
// Cut; the task can be aborted meanwhile. The Action must not call the Target.
func (t *Target) OnExecute(m Match, a Action) *Rule { return t.script.add(onExecute, m, a) }

// OnSend adds a rule for PDUs about to be written, login answers too.
func (t *Target) OnSend(m Match, a Action) *Rule { return t.script.add(onSend, m, a) }

// Count returns how often the rule has matched.
func (r *Rule) Count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hits
}

// Await waits until the rule has matched n times; false when that takes longer
// than the timeout.
func (r *Rule) Await(n int, timeout time.Duration) bool {
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for {
		r.mu.Lock()
		hits, next := r.hits, r.next
		r.mu.Unlock()
		if hits >= n {
			return true
		}
		select {
		case <-next:
		case <-deadline.C:
			return false
		}
	}
}

// Remove ends the rule; what it holds stays held.
func (r *Rule) Remove() {
	r.script.mu.Lock()
	defer r.script.mu.Unlock()
	rules := &r.script.rules[r.stage]
	*rules = slices.DeleteFunc(slices.Clone(*rules), func(x *Rule) bool { return x == r })
}

// script holds the rules of a target, in the order in which they were added;
// all that match apply.
type script struct {
	mu    sync.Mutex
	rules [stages][]*Rule // replaced as a whole, never changed
}

func (s *script) add(at stage, m Match, a Action) *Rule {
	r := &Rule{script: s, stage: at, match: m, action: a, next: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules[at] = append(slices.Clip(s.rules[at]), r)
	return r
}

// has tells whether a stage has rules: without them events need not be made.
func (s *script) has(at stage) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.rules[at]) > 0
}

// run applies the rules of a stage. nil means that none matched.
func (s *script) run(at stage, e *Event) *Event {
	s.mu.Lock()
	rules := s.rules[at]
	s.mu.Unlock()
	matched := false
	for _, r := range rules {
		if r.match(e) {
			matched = true
			r.action(e)
			r.hit()
		}
	}
	if !matched {
		return nil
	}
	return e
}

func (r *Rule) hit() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hits++
	close(r.next)
	r.next = make(chan struct{})
}
