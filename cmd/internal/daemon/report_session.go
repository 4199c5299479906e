package daemon

import (
	"net"
	"net/netip"
	"time"

	"github.com/iscsifs/iscsifs/cmd/internal/status"
	"github.com/iscsifs/iscsifs/config"
	"github.com/iscsifs/iscsifs/initiator"
)

// reportSessions says of each session what `iscsiadm -m session -P 3` would.
func reportSessions(sessions []initiator.SessionStatus, name string) (list []status.Session) {
	devices := localDevices()
	for _, s := range sessions {
		list = append(list, status.Session{
			ISID:             s.ISID.String(),
			TSIH:             s.TSIH,
			InitiatorName:    name,
			State:            s.State.String(),
			Since:            s.Since.Round(time.Second),
			Portal:           s.Portal,
			TPGT:             s.Params.TargetPortalGroupTag,
			PersistentPortal: s.Persistent,
			LocalAddress:     s.Local,
			RemoteAddress:    s.Remote,
			Device:           devices[addressOf(s.Local)],
			LastContact:      s.LastContact.Truncate(time.Second),
			Reconnects:       uint64(s.Reconnects),
			Negotiated:       negotiated(&s.Params),
		})
	}
	return list
}

// localDevices are the network devices of this host by their addresses; none where
// they cannot be had.
func localDevices() map[netip.Addr]string {
	names := map[netip.Addr]string{}
	devices, _ := net.Interfaces() // without, status shows no device
	for _, device := range devices {
		addresses, _ := device.Addrs()
		for _, a := range addresses {
			if prefix, err := netip.ParsePrefix(a.String()); err == nil {
				names[prefix.Addr()] = device.Name
			}
		}
	}
	return names
}

// addressOf is the address of "ip:port", without a zone.
func addressOf(s string) netip.Addr {
	a, _ := netip.ParseAddrPort(s) // one that is none has no device
	return a.Addr().Unmap().WithZone("")
}

func chapNames(c *config.CHAP) *status.CHAP {
	if c == nil {
		return nil
	}
	return &status.CHAP{Username: c.Username, MutualUsername: c.MutualUsername}
}

func timeouts(s *config.Session) status.Timeouts {
	t := status.Timeouts{
		Login:        s.LoginTimeout.Seconds(),
		NoopInterval: s.NoopInterval.Seconds(),
		Noop:         s.NoopTimeout.Seconds(),
		Command:      s.CommandTimeout.Seconds(),
		Flush:        s.FlushTimeout.Seconds(),
	}
	if !s.ReplacementTimeout.IsNever() {
		seconds := s.ReplacementTimeout.Duration().Seconds()
		t.Replacement = &seconds
	}
	return t
}
