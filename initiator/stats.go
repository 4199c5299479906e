package initiator

import "sync/atomic"

// Stats counts what a session sent and received, as `iscsiadm -m session -s`
// does.
type Stats struct {
	TxOctets, RxOctets int64 // bytes of all PDUs after the login

	// PDUs sent.
	NOPOut, Commands, TaskMgmt, Text, DataOut, Logout int64
	// Login counts those of the logins that succeeded.
	Login int64
	// PDUs received.
	NOPIn, Responses, TaskMgmtResponses, TextResponses, DataIn, LogoutResponses, R2T, Async, Rejects int64

	DigestErrors int64
	Timeouts     int64
}

// counters are the session's own. Those of Stats are guarded by Session.mu,
// the others count where no lock is held.
type counters struct {
	Stats
	txOctets, rxOctets, digestErrors, timeouts atomic.Int64
	heard                                      atomic.Int64 // when the target was last heard of, in ns since 1970, to the watchdog's interval
}

// snapshot returns all counts. Session.mu is held.
func (c *counters) snapshot() Stats {
	s := c.Stats
	s.TxOctets, s.RxOctets = c.txOctets.Load(), c.rxOctets.Load()
	s.DigestErrors, s.Timeouts = c.digestErrors.Load(), c.timeouts.Load()
	return s
}

// add adds the counts of another session.
func (s *Stats) add(o *Stats) {
	for _, c := range []struct {
		sum *int64
		n   int64
	}{
		{&s.TxOctets, o.TxOctets}, {&s.RxOctets, o.RxOctets},
		{&s.NOPOut, o.NOPOut}, {&s.Commands, o.Commands}, {&s.TaskMgmt, o.TaskMgmt}, {&s.Text, o.Text},
		{&s.DataOut, o.DataOut}, {&s.Logout, o.Logout}, {&s.Login, o.Login},
		{&s.NOPIn, o.NOPIn}, {&s.Responses, o.Responses}, {&s.TaskMgmtResponses, o.TaskMgmtResponses},
		{&s.TextResponses, o.TextResponses}, {&s.DataIn, o.DataIn}, {&s.LogoutResponses, o.LogoutResponses},
		{&s.R2T, o.R2T}, {&s.Async, o.Async}, {&s.Rejects, o.Rejects},
		{&s.DigestErrors, o.DigestErrors}, {&s.Timeouts, o.Timeouts},
	} {
		*c.sum += c.n
	}
}
