package initiator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// connected is what a successful login hands to the full feature phase.
type connected struct {
	conn      net.Conn // without deadline; the owner closes it
	params    Params
	tsih      uint16
	nextCmdSN uint32       // CmdSN of the first command
	expStatSN uint32       // next StatSN expected
	window    pdu.Sequence // of the last login response
	portal    string       // "host:port" really in use, after redirects
	asked     string       // "host:port" that was asked first, of the configuration or of a permanent redirect
	requests  int          // Login Request PDUs of the login that succeeded
	movedTo   string       // where a permanent redirect leads until restart; empty: nowhere
}

// connect dials a portal and logs in, follows redirects with the same
// TargetName, and takes no longer than cfg.LoginTimeout for all of it. When
// ctx ends it returns at once. Errors are of type *Error with the Op
// "connect" or "login".
func connect(ctx context.Context, cfg *Config, portal string) (*connected, error) {
	if err := checkLogin(cfg); err != nil {
		return nil, &Error{Op: "login", Target: cfg.TargetName, Portal: portal, Err: err}
	}
	to, err := parseAddress(portal)
	if err != nil {
		return nil, &Error{Op: "connect", Target: cfg.TargetName, Portal: portal, Err: err}
	}
	limited, cancel := context.WithTimeout(ctx, cfg.LoginTimeout)
	defer cancel()
	a := attempt{parent: ctx, ctx: limited, cfg: cfg, op: "connect", to: to}
	c, err := a.followRedirects()
	if err != nil {
		return nil, &Error{Op: a.op, Target: cfg.TargetName, Portal: a.to.String(), Err: a.explain(err)}
	}
	c.asked = portal
	return c, nil
}

// attempt is one connect under way.
type attempt struct {
	parent, ctx context.Context // ctx is parent with the login timeout
	cfg         *Config
	op          string // what is being done, for the error
	to          address
}

// followRedirects logs in where it is sent. A permanent move counts for the
// portal of the configuration only as long as no temporary one came before.
func (a *attempt) followRedirects() (*connected, error) {
	var movedTo string
	permanent := true
	for range maxRedirects + 1 {
		c, err := a.login()
		var r *redirect
		if !errors.As(err, &r) {
			if c != nil {
				c.movedTo = movedTo
			}
			return c, err
		}
		a.to = r.to
		permanent = permanent && r.status == LoginTargetMovedPermanently
		if permanent {
			movedTo = a.to.String()
		}
	}
	return nil, protocolErrorf("the login was redirected more than %d times", maxRedirects)
}

// login dials and logs in at one address.
func (a *attempt) login() (*connected, error) {
	a.op = "connect"
	nc, err := dial(a.ctx, a.cfg, a.to)
	if err != nil {
		return nil, err
	}
	a.op = "login"
	c, err := a.negotiate(nc)
	if err != nil {
		nc.Close()
		return nil, err
	}
	return c, nil
}

// negotiate runs the login phase; the end of ctx wakes it from any read or
// write.
func (a *attempt) negotiate(nc net.Conn) (*connected, error) {
	l := newLogin(nc, a.cfg)
	stop := context.AfterFunc(a.ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })
	err := l.run()
	if !stop() && err == nil {
		err = a.ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return &connected{
		conn:      nc,
		params:    l.params,
		tsih:      l.last.TSIH,
		nextCmdSN: firstCmdSN,
		expStatSN: l.wire.request.ExpStatSN,
		window:    l.last.Sequence,
		portal:    a.to.String(),
		requests:  l.wire.sent,
	}, nil
}

// explain names the reason behind errors that only tell how it came to light.
func (a *attempt) explain(err error) error {
	switch {
	case errors.Is(a.parent.Err(), context.Canceled):
		return a.parent.Err()
	case !isTimeout(err) && a.ctx.Err() == nil:
		return explainReset(err)
	case !isTimeout(err) && !errors.Is(err, a.ctx.Err()):
		return explainReset(err)
	}
	return fmt.Errorf("%w (%v)", ErrTimeout, a.cfg.LoginTimeout)
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, syscall.ETIMEDOUT)
}

func explainReset(err error) error {
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return &explained{errHungUp.Error(), err}
	}
	return err
}

// checkLogin refuses what could not be said in a login.
func checkLogin(cfg *Config) error {
	if err := checkISCSIName(cfg.InitiatorName); err != nil {
		return fmt.Errorf("the initiator name %.80q %w", cfg.InitiatorName, err)
	}
	if err := checkISCSIName(cfg.TargetName); err != nil && !cfg.discovery() {
		return fmt.Errorf("the target name %.80q %w", cfg.TargetName, err)
	}
	if cfg.CHAP == nil {
		return nil
	}
	return checkCHAP(cfg.CHAP)
}
