package initiator

import (
	"context"
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// text exchanges text keys in the full feature phase (RFC 7143, Sections 6.2
// and 11.10). The answer may come in several PDUs. Internal exchanges may take
// place while callers' commands wait. "An initiator MUST NOT have more than one
// outstanding Text Request on a connection at any given time" (Section 11.10).
func (s *Session) text(ctx context.Context, internal bool, keys []pdu.KeyValue) ([]pdu.KeyValue, error) {
	select {
	case s.texts <- struct{}{}:
		defer func() { <-s.texts }()
	case <-ctx.Done():
		return nil, s.error("text negotiation", context.Cause(ctx))
	}
	t := newTask(kindText)
	t.internal, t.ttt = internal, pdu.ReservedTag
	t.payload = pdu.AppendKeys(nil, keys...)
	if err := s.submit(t); err != nil {
		t.release()
		return nil, err
	}
	defer t.release()
	if err := s.wait(ctx, t); err != nil {
		return nil, err
	}
	answer, err := pdu.ParseKeys(t.answer)
	if err != nil {
		return nil, s.error("text negotiation", fmt.Errorf("%w: %w", ErrProtocol, err))
	}
	return answer, nil
}
