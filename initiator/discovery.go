package initiator

import (
	"context"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// Discovered is a target that a portal offers.
type Discovered struct {
	Name    string
	Portals []DiscoveredPortal // at least one
}

// DiscoveredPortal is an address of a target.
type DiscoveredPortal struct {
	Address string // "host:port"
	Tag     int    // portal group tag; -1 when the target did not tell
}

// Discover asks the portals of cfg, the first that answers, for the targets
// that they offer (SendTargets, RFC 7143, Appendix C). cfg.TargetName is not
// used; cfg.CHAP is that of the discovery session. Records that make no sense
// are logged and left out.
func Discover(ctx context.Context, cfg Config) ([]Discovered, error) {
	cfg.TargetName = ""
	// A lost discovery session is not worth waiting for.
	cfg.ReplacementTimeout = 0
	s, err := Login(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	answer, err := s.text(ctx, false, []pdu.KeyValue{{Key: "SendTargets", Value: "All"}})
	if err != nil {
		return nil, err
	}
	records, skipped, err := parseSendTargets(answer)
	if err != nil {
		return nil, s.error("discover", err)
	}
	for _, reason := range skipped {
		cfg.Logger.Warn().Err(reason).Msg("a discovery record is left out")
	}
	found := discovered(records, s.Status())
	// A discovery session that ends without an answer to its logout has cost
	// nobody anything.
	_ = s.Logout(ctx)
	return found, nil
}

// discovered fills in what the records left open: a target without an address
// is reached where the discovery session was (RFC 7143, Appendix C).
func discovered(records []targetRecord, via SessionStatus) []Discovered {
	all := make([]Discovered, len(records))
	for i, r := range records {
		all[i].Name = r.name
		for _, a := range r.addresses {
			all[i].Portals = append(all[i].Portals, DiscoveredPortal{a.at(via.Portal), a.tag})
		}
		if len(r.addresses) == 0 {
			all[i].Portals = []DiscoveredPortal{{via.Portal, via.Params.TargetPortalGroupTag}}
		}
	}
	return all
}

// at returns the address as "host:port"; one that names no host is on the host
// of the portal that told it.
func (a address) at(portal string) string {
	if via, err := parseAddress(portal); err == nil && a.unspecified() {
		a.host = via.host
	}
	return a.String()
}
