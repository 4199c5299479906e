package initiator

import "slices"

// adjust takes over what can change while a session lives: credentials and timeouts.
func (c *Config) adjust(to *Config) {
	c.CHAP = to.CHAP
	c.LoginTimeout, c.NoopInterval, c.NoopTimeout = to.LoginTimeout, to.NoopInterval, to.NoopTimeout
	c.CommandTimeout, c.FlushTimeout = to.CommandTimeout, to.FlushTimeout
	c.AbortTimeout, c.ResetTimeout = to.AbortTimeout, to.ResetTimeout
	if c.path != "" {
		c.unitTimeout = to.ReplacementTimeout // waiting is the Unit's
		return
	}
	c.ReplacementTimeout = to.ReplacementTimeout
}

// live is the configuration with what was adjusted since the login.
func (s *Session) live() *Config {
	if c := s.adjusted.Load(); c != nil {
		return c
	}
	return &s.cfg
}

// Adjust takes over the credentials and the timeouts of a configuration; its other
// fields do not count. They hold from the next login, wait or command on: what waits
// already does so for as long as it was to.
func (s *Session) Adjust(to Config) {
	to = to.withDefaults()
	now := *s.live()
	now.adjust(&to)
	s.adjusted.Store(&now)
}

// Adjust is [Session.Adjust] for all paths, also those that come later, and their units.
func (m *Paths) Adjust(to Config) {
	to = to.withDefaults()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.routes {
		r.cfg.adjust(&to)
		if r.session != nil {
			r.session.Adjust(to)
		}
	}
	for _, u := range m.units {
		if u.home(m) {
			u.setReplacement(to.ReplacementTimeout)
		}
	}
}

// config is the configuration for the next login by the route.
func (r *route) config() Config {
	r.m.mu.Lock()
	defer r.m.mu.Unlock()
	c := r.cfg
	c.Portals = slices.Clone(c.Portals)
	return c
}
