package initiator

import (
	"fmt"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// maxRedirects bounds how often one login may be sent on.
const maxRedirects = 4

// redirect is a target's wish that the initiator logs in elsewhere (RFC 7143,
// Section 11.13.5): temporarily for this login alone, permanently until the
// initiator restarts.
type redirect struct {
	status LoginStatus
	to     address
}

func (r *redirect) Error() string { return fmt.Sprintf("%v: %v", r.status, r.to) }

// refusal returns the error for a status other than success: a *redirect
// where the target has moved.
func refusal(status LoginStatus, keys []pdu.KeyValue) error {
	if status != LoginTargetMovedTemporarily && status != LoginTargetMovedPermanently {
		return status
	}
	for _, kv := range keys {
		if kv.Key == "TargetAddress" {
			return redirectTo(status, kv.Value)
		}
	}
	return fmt.Errorf("%w: %w, but it does not say where", ErrProtocol, status)
}

func redirectTo(status LoginStatus, text string) error {
	to, err := parseAddress(text)
	if err == nil && to.unspecified() {
		err = fmt.Errorf("%.80q is no address of a target", text)
	}
	if err != nil {
		return fmt.Errorf("%w: %w, but %w", ErrProtocol, status, err)
	}
	return &redirect{status, to}
}
