package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/iscsifs/iscsifs/cache"
	"github.com/iscsifs/iscsifs/cmd/internal/status"
	"github.com/iscsifs/iscsifs/initiator"
)

// Report says how the mount does. It asks no target.
func (d *Daemon) Report(ctx context.Context) status.Mount {
	m := status.Mount{
		Mountpoint: d.opts.Mountpoint,
		Config:     d.opts.Config.Path,
		PID:        os.Getpid(),
		State:      d.lifecycle.now().String(),
		Log:        d.opts.LogPlace,
		Warnings:   append(slices.Clone(d.opts.Warnings), d.silences()...),
		Protection: d.reportProtection(),
	}
	held := d.holdersByFile(ctx)
	for _, t := range d.all() {
		m.Targets = append(m.Targets, d.reportTarget(t, held))
	}
	return m
}

func (d *Daemon) reportTarget(t *target, held map[string][]status.Holder) status.Target {
	t.mu.Lock()
	r := status.Target{
		IQN:         t.cfg().IQN,
		Directory:   t.cfg().Directory,
		State:       t.state.String(),
		Since:       t.since.Round(time.Second),
		Reason:      reason(t.reason),
		NextAttempt: orNil(t.nextAttempt),
		Interface:   t.cfg().Interface,
		CHAP:        chapNames(t.cfg().CHAP),
		Timeouts:    timeouts(&t.cfg().Session),
	}
	s, luns, state := t.session, t.luns, t.state
	for _, p := range t.cfg().Portals {
		r.Portals = append(r.Portals, status.Portal{Address: p.String(), TPGT: -1, State: t.unusedLocked(p.String())})
	}
	luns = append(luns[:len(luns):len(luns)], t.kept...)
	t.mu.Unlock()
	if s != nil && state != leaving {
		addSession(&r, s.Status())
		r.Sessions = reportSessions(sessionsOf(s), t.opts.InitiatorName)
		if !addPaths(&r, s) {
			addPortal(&r, s.Status())
		}
	}
	for _, l := range luns {
		r.LUNs = append(r.LUNs, d.reportLUN(l, held))
	}
	return r
}

// unusedLocked says why a portal without a session has none.
func (t *target) unusedLocked(portal string) string {
	if t.outPaths[portal] || t.state == out {
		return out.String()
	}
	return "not in use"
}

// addSession says how the session of a target does.
func addSession(r *status.Target, s initiator.SessionStatus) {
	r.State, r.Since = s.State.String(), s.Since.Round(time.Second)
	r.Reason = reason(s.Reason)
	r.Reconnects = uint64(s.Reconnects)
	r.NextAttempt = orNil(s.NextAttempt)
	r.Alias, r.LastContact = s.Params.TargetAlias, orNil(s.LastContact.Truncate(time.Second))
	r.Negotiated = negotiated(&s.Params)
	r.Stats = stats(s.Stats)
}

func negotiated(p *initiator.Params) map[string]string {
	keys := map[string]string{}
	for _, kv := range p.Keys() {
		keys[kv.Key] = kv.Value
	}
	return keys
}

// addPortal says which portal the only session of a target uses.
func addPortal(r *status.Target, s initiator.SessionStatus) {
	used := status.Portal{Address: s.Portal, TPGT: s.Params.TargetPortalGroupTag, State: s.State.String()}
	for i := range r.Portals {
		if r.Portals[i].Address == s.Portal {
			r.Portals[i] = used
			return
		}
	}
	r.Portals = append(r.Portals, used) // a redirect leads there
}

func (d *Daemon) reportLUN(l *lun, held map[string][]status.Holder) status.LUN {
	info, now := l.disk.Info(), l.opened.Status()
	r := status.LUN{
		LUN:       l.number,
		Path:      filepath.Join(d.opts.Mountpoint, l.path()),
		Size:      l.size(),
		BlockSize: l.disk.BlockSize(),
		Vendor:    info.Inquiry.Vendor,
		Product:   info.Inquiry.Product,
		Revision:  info.Inquiry.Revision,
		Serial:    info.Serial,
		ID:        info.UdevID,
		ReadOnly:  l.disk.ReadOnly(),
		Thin:      info.Capacity.LBPME,
		Space:     now.Space.String(),
		State:     now.State.String(),
		InFlight:  now.InFlight,
		Waiting:   now.Waiting,
		Warnings:  append(l.troubles(d.opts.Mountpoint), l.warnings()...),
		Holders:   held[l.path()],
	}
	r.Warnings = append(r.Warnings, otherSectors(r)...)
	d.reportReservation(&r, l)
	if l.volume != nil {
		s := l.volume.Stats()
		r.DirtyBytes, r.HeldBytes, r.UnsyncedBytes = s.DirtyBytes, keptBack(s), s.HeldBytes
		r.CacheHits, r.CacheMisses = s.Hits, s.Misses
		r.ReadBytes, r.WrittenBytes = s.ReadBytes, s.WrittenBytes
	}
	return r
}

// keptBack is how much is dirty and not written back until somebody says so, in bytes.
func keptBack(s cache.Stats) int64 {
	if s.Late || s.Shrunk {
		return s.DirtyBytes
	}
	return 0
}

// warnings are what makes the LUN less safe than others.
func (l *lun) warnings() []string {
	var list []string
	if l.disk.Info().UdevID == "" {
		list = append(list, "identity weak: the target gives no designator (VPD 83h), so that a LUN mapped anew cannot be told from this one")
	}
	if f, ok := l.opened.inner().(interface{ FlushUnsupported() bool }); ok && f.FlushUnsupported() {
		list = append(list, "the target knows no SYNCHRONIZE CACHE: that its writes are durable is its word")
	}
	if several, ok := l.opened.inner().(interface{ Refusals() []string }); ok {
		list = append(list, several.Refusals()...)
	}
	if l.first != nil {
		list = append(list, "the same logical unit as "+l.first.path()+", to which its name is a link")
	}
	return list
}

// otherSectors names the loop devices of a LUN whose sectors are not its blocks. The
// kernel takes 512 bytes unless losetup says otherwise.
func otherSectors(l status.LUN) (list []string) {
	for _, h := range l.Holders {
		if h.SectorSize != 0 && h.SectorSize != l.BlockSize {
			list = append(list, fmt.Sprintf("%s has sectors of %d bytes, the LUN blocks of %d: partition tables that others made are not found, "+
				"those made here are not found by others, and small writes can be slow; when nothing uses %s: losetup --sector-size %d %s",
				h.Name, h.SectorSize, l.BlockSize, h.Name, l.BlockSize, h.Name))
		}
	}
	return list
}

func stats(s initiator.Stats) status.Stats {
	return status.Stats{
		TxDataOctets:  uint64(s.TxOctets),
		RxDataOctets:  uint64(s.RxOctets),
		NOPTxPDUs:     uint64(s.NOPOut),
		SCSICmdPDUs:   uint64(s.Commands),
		TMFCmdPDUs:    uint64(s.TaskMgmt),
		TextPDUs:      uint64(s.Text),
		DataOutPDUs:   uint64(s.DataOut),
		LogoutPDUs:    uint64(s.Logout),
		LoginPDUs:     uint64(s.Login),
		NOPRxPDUs:     uint64(s.NOPIn),
		SCSIRspPDUs:   uint64(s.Responses),
		TMFRspPDUs:    uint64(s.TaskMgmtResponses),
		TextRspPDUs:   uint64(s.TextResponses),
		DataInPDUs:    uint64(s.DataIn),
		LogoutRspPDUs: uint64(s.LogoutResponses),
		R2TPDUs:       uint64(s.R2T),
		AsyncPDUs:     uint64(s.Async),
		RejectPDUs:    uint64(s.Rejects),
		DigestErrors:  uint64(s.DigestErrors),
		TimeoutErrors: uint64(s.Timeouts),
	}
}

// reason is an error as status shows it.
func reason(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// orNil is nil for a time that is not set.
func orNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
