package initiator

import (
	"context"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"github.com/iscsifs/iscsifs/initiator/pdu"
	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// Why a connection ended that the target announced to end.
var (
	errLogoutRequested   = errors.New("the target asked for a logout")
	errConnectionDropped = errors.New("the target announced to drop the connection")
	errSessionDropped    = errors.New("the target announced to drop the session")
)

// errTasksTerminated is why a command ended that the target gave up.
var errTasksTerminated = errors.New("the target has terminated the tasks of the LUN")

// asyncLocked acts on an Asynchronous Message (RFC 7143, Section 11.9).
func (c *conn) asyncLocked(b *pdu.BHS, data []byte) error {
	var m pdu.AsyncMessage
	if err := m.Unmarshal(b); err != nil {
		return err
	}
	c.statSNLocked(m.Sequence)
	c.logAsyncLocked(&m)
	switch m.Event {
	case pdu.AsyncSCSI:
		if sense, err := scsi.ParseSense(pdu.SenseData(data)); err == nil {
			c.s.attentionLocked(m.LUN, sense)
		}
	case pdu.AsyncLogoutRequest:
		c.s.gate = false
		if !c.leaving {
			c.leaving = true
			c.wg.Go(func() { c.logoutAsAsked(time.Duration(m.Parameter3) * time.Second) })
		}
	case pdu.AsyncDropConnection:
		c.waitAtLeastLocked(m.Parameter2)
		return errConnectionDropped
	case pdu.AsyncDropSession:
		c.waitAtLeastLocked(m.Parameter2)
		return errSessionDropped
	case pdu.AsyncNegotiate:
		if c.negotiations == 0 && c.textPendingLocked() {
			break // "unless a Text Request is already pending on the connection"
		}
		c.negotiations++
		if c.negotiations == 1 {
			c.wg.Go(func() { c.negotiateAsAsked(time.Duration(m.Parameter3) * time.Second) })
		}
	case pdu.AsyncTaskTerminated:
		return c.tasksTerminatedLocked(m.LUN)
	}
	return nil
}

// textPendingLocked tells whether a Text Request waits for its answer.
func (c *conn) textPendingLocked() (is bool) {
	c.s.slots.all(func(t *task) { is = is || t.kind == kindText })
	return is
}

// asyncLogPause is between two lines about asynchronous messages: a target must not fill
// the log.
const asyncLogPause = time.Second

func (c *conn) logAsyncLocked(m *pdu.AsyncMessage) {
	level := zerolog.InfoLevel
	if time.Since(c.asyncLogged) < asyncLogPause {
		level = zerolog.TraceLevel
	} else {
		c.asyncLogged = time.Now()
	}
	c.s.cfg.Logger.WithLevel(level).Str("target", c.s.cfg.TargetName).Stringer("event", m.Event).
		Uint16("parameter1", m.Parameter1).Uint16("parameter2", m.Parameter2).Uint16("parameter3", m.Parameter3).
		Msg("asynchronous message")
}

// logoutAsAsked logs out within the given time. "The initiator MUST honor this
// request by issuing a Logout as early as possible but no later than Parameter3
// seconds" (RFC 7143, 11.9.1). The session then logs in again.
func (c *conn) logoutAsAsked(limit time.Duration) {
	ctx, cancel := c.deadline(limit)
	defer cancel()
	_ = c.s.logout(ctx) // the connection ends either way
	c.fail(errLogoutRequested)
}

// negotiateAsAsked starts a text negotiation, in which this initiator has
// nothing to say: "The initiator MUST honor this request by issuing a Text
// Request (that can be empty) on the same connection as early as possible, but
// no later than Parameter3 seconds" (RFC 7143, 11.9.1).
func (c *conn) negotiateAsAsked(limit time.Duration) {
	for asked := 1; asked > 0; asked = c.negotiated(asked) {
		if err := c.negotiateOnce(limit); err != nil {
			c.fail(err)
			return
		}
	}
}

// negotiated returns how often the target has asked for a negotiation since it was
// asked for that many: one answers them all.
func (c *conn) negotiated(asked int) int {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.negotiations -= asked
	return c.negotiations
}

func (c *conn) negotiateOnce(limit time.Duration) error {
	ctx, cancel := c.deadline(limit)
	defer cancel()
	keys, err := c.s.text(ctx, true, nil)
	if err == nil {
		err = c.renegotiate(keys)
	}
	return err
}

// renegotiate takes over what may change in the full feature phase.
func (c *conn) renegotiate(keys []pdu.KeyValue) error {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	for _, kv := range keys {
		if kv.Key != "MaxRecvDataSegmentLength" {
			continue
		}
		n, err := parseNumber(kv.Value)
		if err != nil || n < 512 || n > pdu.MaxDataSegmentLength {
			return protocolErrorf("MaxRecvDataSegmentLength=%.80q in the full feature phase", kv.Value)
		}
		c.params.MaxXmitDataSegmentLength = int(n)
		c.s.params = c.params
	}
	return nil
}

// deadline returns a context for an answer to the target that is due within
// limit; a target that gives no time gets the login timeout. One that gives more than
// its slowest command may take would keep those that wait for too long.
func (c *conn) deadline(limit time.Duration) (context.Context, context.CancelFunc) {
	cfg := c.s.live()
	if limit <= 0 {
		limit = cfg.LoginTimeout
	}
	limit = min(limit, cfg.FlushTimeout)
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	bound, unbind := c.bind(ctx)
	return bound, func() { unbind(); cancel() }
}

// tasksTerminatedLocked: the target gave up all tasks of a logical unit. "Stop
// Data-Out transfers on that connection for all active TTTs for the affected
// LUN", then acknowledge "via a NOP-Out PDU with ITT=0xffffffff" that carries the
// LUN (RFC 7143, 11.9.1, code 5). The commands are sent again.
func (c *conn) tasksTerminatedLocked(lun [8]byte) error {
	var tasks []*task
	c.s.slots.all(func(t *task) {
		if t.kind == kindCommand && t.lun == lun {
			tasks = append(tasks, t)
		}
	})
	c.s.againLocked(tasks, c.s.errorLocked("session", errTasksTerminated))
	return c.replyLocked(nopReply{lun, pdu.ReservedTag})
}
