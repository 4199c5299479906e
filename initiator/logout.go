package initiator

import (
	"context"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// Logout ends the session in order: it tells the target and waits for its
// answer until ctx ends, at most for the login timeout. Commands still under way
// fail with ErrClosed. The session is closed when it returns, also with an
// error.
func (s *Session) Logout(ctx context.Context) error {
	defer s.Close()
	ctx, cancel := context.WithTimeout(ctx, s.live().LoginTimeout)
	defer cancel()
	s.mu.Lock()
	loggedIn := s.state == LoggedIn
	if loggedIn {
		s.changeLocked(LoggingOut, nil)
	}
	s.mu.Unlock()
	if !loggedIn {
		return nil // nothing to log out from
	}
	err := s.logout(ctx)
	if err == nil && !s.cfg.discovery() {
		s.cfg.Logger.Info().Str("target", s.cfg.TargetName).Msg("logged out")
	}
	return err
}

// logout closes the session at the target (RFC 7143, Section 11.14).
func (s *Session) logout(ctx context.Context) error {
	t := newTask(kindLogout)
	t.reason = pdu.CloseSession
	if err := s.submit(t); err != nil {
		t.release()
		return err
	}
	defer t.release()
	if err := s.wait(ctx, t); err != nil {
		return err
	}
	if result := pdu.LogoutResult(t.result); result != pdu.LogoutSucceeded {
		return s.error("logout", fmt.Errorf("the target answers: %v", result))
	}
	return nil
}
