package target

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
)

// reserver is an initiator port that a test reserves with.
type reserver struct{ *peer }

// reservers logs in from several initiator ports to a target with one LUN.
func reservers(t *testing.T, n int, options ...Option) (*Target, *LUN, []reserver) {
	t.Helper()
	l := NewMemoryLUN(1<<20, 512, options...)
	target := start(t, Config{LUNs: []*LUN{l}, QuietLogin: true, Strict: true})
	var all []reserver
	for i := range n {
		all = append(all, reserverAt(t, target, byte(i)))
	}
	return target, l, all
}

func reserverAt(t *testing.T, target *Target, port byte) reserver {
	t.Helper()
	p := dial(t, target)
	h := p.loginHeader()
	h.ISID[5] = port
	if a := p.exchange(h, names()...); a.StatusClass != 0 {
		t.Fatalf("login answered %+v", a)
	}
	return reserver{p}
}

// out sends a PERSISTENT RESERVE OUT; the answer is the status and, after CHECK
// CONDITION, key, ASC and ASCQ.
func (r reserver) out(action, kind byte, key, service uint64, flags byte) []byte {
	r.t.Helper()
	list := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, key), service)
	list = append(list, 0, 0, 0, 0, flags, 0, 0, 0)
	r.write(writing(r.command([]byte{OpPersistentReserveOut, action, kind, 0, 0, 0, 0, 0, 24}, 24)), list)
	return r.answer()
}

func (r reserver) answer() []byte {
	r.t.Helper()
	_, status, sense := r.response()
	if status == statusCheckCondition && len(sense) >= 14 {
		return []byte{status, sense[2], sense[12], sense[13]}
	}
	return []byte{status}
}

// in sends a PERSISTENT RESERVE IN and returns its parameter data.
func (r reserver) in(action byte) []byte {
	r.t.Helper()
	r.write(reading(r.command([]byte{OpPersistentReserveIn, action, 0, 0, 0, 0, 0, 1, 0}, 256)), nil)
	data, status, sense := r.response()
	if status != statusGood {
		r.t.Fatalf("PERSISTENT RESERVE IN: status %#x, sense % x", status, sense)
	}
	return data
}

func (r reserver) writeBlock() []byte {
	r.t.Helper()
	r.write(writing(r.command(write10(0, 1), 512)), block(1))
	return r.answer()
}

func (r reserver) ready() []byte {
	r.t.Helper()
	r.write(r.command([]byte{OpTestUnitReady}, 0), nil)
	return r.answer()
}

// Answers of reserver.out.
var (
	isGood         = []byte{0x00}
	isConflict     = []byte{0x18}
	isBadField     = []byte{0x02, 5, 0x24, 0}
	isBadParameter = []byte{0x02, 5, 0x26, 0}
)

// TestReserveOut goes through SPC-4, Section 5.12, in steps of two initiator
// ports, 0 and 1.
func TestReserveOut(t *testing.T) {
	const k0, k1, aptpl = 0xa0, 0xb1, 1
	type step struct {
		who          int
		action, kind byte
		key, service uint64
		flags        byte
		want         []byte
	}
	register := func(who int, key uint64) step {
		return step{who, saRegisterAndIgnore, 0, 0x99, key, 0, isGood}
	}
	both := []step{register(0, k0), register(1, k1)}
	held := slices.Concat(both, []step{{0, saReserve, 5, k0, 0, 0, isGood}})
	for name, c := range map[string]struct {
		options []Option
		steps   []step
		want    Reservation
		attends []byte // of port 1 when all is done; nil: none
	}{
		"register": {steps: []step{
			{0, saRegister, 0, 7, k0, 0, isConflict}, // not registered: the key must be 0
			{0, saRegister, 0, 0, k0, 0, isGood},
			{0, saRegister, 0, 0, 0xa1, 0, isConflict}, // registered: it must be its own
			{0, saRegister, 0, k0, 0xa1, 0, isGood},
			register(0, 0xa2),
		}, want: Reservation{Generation: 3, Keys: []uint64{0xa2}}},
		"unregister": {steps: []step{register(0, k0), {0, saRegister, 0, k0, 0, 0, isGood}, register(0, 0)},
			want: Reservation{Generation: 3}},
		"not registered": {steps: []step{
			{0, saReserve, 5, 0, 0, 0, isConflict}, {0, saRelease, 5, 0, 0, 0, isConflict},
			{0, saClear, 0, 0, 0, 0, isConflict}, {0, saPreempt, 5, 0, k1, 0, isConflict},
		}},
		"another's key": {steps: slices.Concat(both, []step{
			{0, saReserve, 5, k1, 0, 0, isConflict}, {0, saClear, 0, k1, 0, 0, isConflict}, {0, saPreempt, 5, k1, k1, 0, isConflict},
		}), want: Reservation{Generation: 2, Keys: []uint64{k0, k1}}},
		"reserve": {steps: slices.Concat(held, []step{
			{0, saReserve, 5, k0, 0, 0, isGood},     // again
			{0, saReserve, 1, k0, 0, 0, isConflict}, // as another type
			{1, saReserve, 5, k1, 0, 0, isConflict},
		}), want: Reservation{Generation: 2, Type: 5, Key: k0, Keys: []uint64{k0, k1}}},
		"release": {steps: slices.Concat(held, []step{
			{1, saRelease, 5, k1, 0, 0, isGood}, // no holder: nothing happens
			{0, saRelease, 6, k0, 0, 0, []byte{0x02, 5, 0x26, 4}},
			{0, saRelease, 5, k0, 0, 0, isGood},
			{0, saRelease, 5, k0, 0, 0, isGood},
		}), want: Reservation{Generation: 2, Keys: []uint64{k0, k1}}, attends: []byte{0x02, 6, 0x2a, 4}},
		"release of Write Exclusive": {steps: slices.Concat(both, []step{
			{0, saReserve, 1, k0, 0, 0, isGood}, {0, saRelease, 1, k0, 0, 0, isGood},
		}), want: Reservation{Generation: 2, Keys: []uint64{k0, k1}}},
		"the holder unregisters": {steps: append(held, step{0, saRegister, 0, k0, 0, 0, isGood}),
			want: Reservation{Generation: 3, Keys: []uint64{k1}}, attends: []byte{0x02, 6, 0x2a, 4}},
		"clear": {steps: append(held, step{0, saClear, 0, k0, 0, 0, isGood}),
			want: Reservation{Generation: 3}, attends: []byte{0x02, 6, 0x2a, 3}},
		"preempt the holder": {steps: []step{register(0, k0), register(1, k1), {1, saReserve, 5, k1, 0, 0, isGood},
			{0, saPreempt, 5, k0, k1, 0, isGood}},
			want: Reservation{Generation: 3, Type: 5, Key: k0, Keys: []uint64{k0}}, attends: []byte{0x02, 6, 0x2a, 5}},
		"preempt a registrant": {steps: append(held, step{0, saPreemptAndAbort, 5, k0, k1, 0, isGood}),
			want: Reservation{Generation: 3, Type: 5, Key: k0, Keys: []uint64{k0}}, attends: []byte{0x02, 6, 0x2a, 5}},
		"preempt oneself": {steps: append(held, step{0, saPreempt, 5, k0, k0, 0, isGood}),
			want: Reservation{Generation: 3, Type: 5, Key: k0, Keys: []uint64{k0, k1}}},
		"preempt nobody": {steps: append(held, step{0, saPreempt, 5, k0, 0xcc, 0, isConflict}, step{0, saPreempt, 5, k0, 0, 0, isBadParameter}),
			want: Reservation{Generation: 2, Type: 5, Key: k0, Keys: []uint64{k0, k1}}},
		"all registrants": {steps: slices.Concat(both, []step{{0, saReserve, 7, k0, 0, 0, isGood}, {1, saReserve, 7, k1, 0, 0, isGood},
			{0, saRegister, 0, k0, 0, 0, isGood}}),
			want: Reservation{Generation: 3, Type: 7, Keys: []uint64{k1}}},
		"preempt all registrants": {steps: slices.Concat(both, []step{{1, saReserve, 8, k1, 0, 0, isGood}, {0, saPreempt, 5, k0, 0, 0, isGood}}),
			want: Reservation{Generation: 3, Type: 5, Key: k0, Keys: []uint64{k0}}, attends: []byte{0x02, 6, 0x2a, 5}},
		"what is refused": {steps: []step{register(0, k0), {0, saReserve, 2, k0, 0, 0, isBadField}, {0, saReserve, 0x15, k0, 0, 0, isBadField},
			{0, 7, 0, k0, 0, 0, isBadField}, {0, saRegister, 0, k0, k0, 0x08, isBadParameter}, {0, saRegister, 0, k0, k0, 0x04, isBadParameter}},
			want: Reservation{Generation: 1, Keys: []uint64{k0}}},
		"options": {options: []Option{WithoutAPTPL(), WithoutRegistrantsOnly(), WithoutPreemptAndAbort()}, steps: []step{
			register(0, k0), {0, saRegister, 0, k0, k0, aptpl, isBadParameter}, {0, saReserve, 5, k0, 0, 0, isBadField},
			{0, saPreemptAndAbort, 1, k0, k1, 0, isBadField}},
			want: Reservation{Generation: 1, Keys: []uint64{k0}}},
		"unknown commands": {options: []Option{WithoutReservations()}, steps: []step{
			{0, saRegister, 0, 0, k0, 0, []byte{0x02, 5, 0x20, 0}}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, l, ports := reservers(t, 2, c.options...)
			for i, s := range c.steps {
				if got := ports[s.who].out(s.action, s.kind, s.key, s.service, s.flags); !bytes.Equal(got, s.want) {
					t.Errorf("step %d, %+v: % x", i, s, got)
				}
			}
			got := l.Reservation()
			if got.Generation != c.want.Generation || got.Type != c.want.Type || got.Key != c.want.Key || !slices.Equal(got.Keys, c.want.Keys) {
				t.Errorf("left is %+v, want %+v", got, c.want)
			}
			for _, want := range [][]byte{c.attends, nil} {
				if want == nil {
					want = isGood
				}
				if got := ports[1].ready(); !bytes.Equal(got, want) {
					t.Errorf("the other port hears % x, want % x", got, want)
				}
			}
		})
	}
}

// TestReservationConflicts: which commands of the holder, of another registrant
// and of one that is not registered meet a reservation (SPC-4, table 68; SBC-3,
// table 13).
func TestReservationConflicts(t *testing.T) {
	commands := map[string][]byte{
		"read": read10(0, 1), "sync": {OpSynchronizeCache10}, "mode": {OpModeSense6, 0, 0x08, 0, 64},
		"ready": {OpTestUnitReady}, "inquiry": {OpInquiry, 0, 0, 0, 64}, "capacity": {OpReadCapacity10}, "luns": {OpReportLUNs, 9: 64},
	}
	free := []string{"ready", "inquiry", "capacity", "luns"}
	for kind, allowed := range map[byte]map[string][]string{ // by type: what may be done
		1: {"registrant": {"read"}, "stranger": {"read"}},
		3: {},
		5: {"registrant": {"read", "sync", "mode", "write"}, "stranger": {"read"}},
		6: {"registrant": {"read", "sync", "mode", "write"}},
		7: {"registrant": {"read", "sync", "mode", "write"}, "stranger": {"read"}},
		8: {"registrant": {"read", "sync", "mode", "write"}},
	} {
		_, _, ports := reservers(t, 3)
		ports[0].out(saRegister, 0, 0, 1, 0)
		ports[1].out(saRegister, 0, 0, 2, 0)
		if got := ports[0].out(saReserve, kind, 1, 0, 0); !bytes.Equal(got, isGood) {
			t.Fatalf("type %d: % x", kind, got)
		}
		for i, who := range []string{"holder", "registrant", "stranger"} {
			expect := func(name string, got []byte) {
				want := isConflict
				if who == "holder" || slices.Contains(free, name) || slices.Contains(allowed[who], name) {
					want = isGood
				}
				if !bytes.Equal(got, want) {
					t.Errorf("type %d, %s of the %s: % x, want % x", kind, name, who, got, want)
				}
			}
			for name, cdb := range commands {
				k := ports[i].command(cdb, map[string]uint32{"read": 512, "mode": 64, "inquiry": 64, "capacity": 8, "luns": 64}[name])
				k.Read = k.ExpectedDataTransferLength > 0
				ports[i].write(k, nil)
				expect(name, ports[i].answer())
			}
			expect("write", ports[i].writeBlock())
		}
	}
}

// TestReservationOutlivesNexus: registrations are the nexus's, not the
// session's, and APTPL says whether they survive the power.
func TestReservationOutlivesNexus(t *testing.T) {
	for flags, want := range []byte{0, 5} {
		target, l, ports := reservers(t, 2)
		ports[0].out(saRegister, 0, 0, 1, byte(flags))
		ports[0].out(saReserve, 5, 1, 0, 0)
		target.CutConnections()
		if got := reserverAt(t, target, 0).writeBlock(); !bytes.Equal(got, isGood) {
			t.Errorf("the holder's next session writes: % x", got)
		}
		if got := reserverAt(t, target, 1).writeBlock(); !bytes.Equal(got, isConflict) {
			t.Errorf("another writes: % x", got)
		}
		if err := target.PowerCut(); err != nil {
			t.Fatal(err)
		}
		if got := l.Reservation(); got.Type != want || got.Generation != 0 {
			t.Errorf("APTPL %d: after the power cut %+v", flags, got)
		}
	}
}

// TestReserveIn compares parameter data with SPC-4, Section 6.15, byte by byte.
func TestReserveIn(t *testing.T) {
	_, _, ports := reservers(t, 1)
	p := ports[0]
	p.out(saRegister, 0, 0, 0x0102030405060708, 1)
	p.out(saReserve, 5, 0x0102030405060708, 0, 0)
	key := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	id := "iqn.2026-11.org.example:peer,i,0x800102030400\x00\x00\x00"
	for action, want := range map[byte][]byte{
		saReadKeys:           slices.Concat([]byte{0, 0, 0, 1, 0, 0, 0, 8}, key),
		saReadReservation:    slices.Concat([]byte{0, 0, 0, 1, 0, 0, 0, 16}, key, []byte{0, 0, 0, 0, 0, 5, 0, 0}),
		saReportCapabilities: {0, 8, 1, 0x81, 0xea, 1, 0, 0},
		saReadFullStatus: slices.Concat([]byte{0, 0, 0, 1, 0, 0, 0, byte(24 + 4 + len(id))}, key,
			[]byte{0, 0, 0, 0, 1, 5, 0, 0, 0, 0, 0, 1, 0, 0, 0, byte(4 + len(id)), 0x45, 0, 0, byte(len(id))}, []byte(id)),
	} {
		if got := p.in(action); !bytes.Equal(got, want) {
			t.Errorf("service action %d:\n% x, want\n% x", action, got, want)
		}
	}
}

// TestPreemptAndAbort: the commands of the preempted nexus are over, and leave
// the medium alone.
func TestPreemptAndAbort(t *testing.T) {
	for action, want := range map[byte]byte{saPreempt: 1, saPreemptAndAbort: 0} {
		target, _, ports := reservers(t, 2)
		ports[0].out(saRegister, 0, 0, 1, 0)
		ports[1].out(saRegister, 0, 0, 2, 0)
		ports[1].out(saReserve, 5, 2, 0, 0)
		gate := NewGate()
		held := target.OnExecute(Once(SCSI(OpWrite10)), Hold(gate))
		ports[1].write(writing(ports[1].command(write10(0, 1), 512)), block(1))
		if !held.Await(1, patience) {
			t.Fatal("no write")
		}
		if got := ports[0].out(action, 5, 1, 2, 0); !bytes.Equal(got, isGood) {
			t.Fatalf("% x", got)
		}
		gate.Release()
		if got := blockAt(target, 0)[0]; got != want {
			t.Errorf("service action %d: the block holds %d, want %d", action, got, want)
		}
	}
}
