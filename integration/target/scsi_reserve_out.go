package target

// Service actions of PERSISTENT RESERVE OUT (SPC-4, Section 6.16.2).
const (
	saRegister          = 0x00
	saReserve           = 0x01
	saRelease           = 0x02
	saClear             = 0x03
	saPreempt           = 0x04
	saPreemptAndAbort   = 0x05
	saRegisterAndIgnore = 0x06
)

// reserveParameters is the length of the parameter list in bytes.
const reserveParameters = 24

// reserveOutLength: the PARAMETER LIST LENGTH has four bytes here.
func reserveOutLength(cdb []byte, _ *LUN) (in, out int64) { return 0, int64(bigEndian(cdb[5:9])) }

// reserveRequest is one PERSISTENT RESERVE OUT, decoded.
type reserveRequest struct {
	*reservations
	lun     *LUN
	from    nexus
	action  byte
	kind    byte
	key     uint64 // RESERVATION KEY
	service uint64 // SERVICE ACTION RESERVATION KEY
	persist bool   // APTPL
	// preempted are those whose commands PREEMPT AND ABORT ends.
	preempted map[nexus]bool
}

// reserveOut carries out PERSISTENT RESERVE OUT.
func reserveOut(x *call) *result {
	q, bad := decodeReserveOut(x)
	if bad != nil {
		return bad
	}
	x.lun.mu.Lock()
	r := q.perform()
	x.lun.mu.Unlock()
	if q.action == saPreemptAndAbort && r.status == statusGood {
		x.t.abortOf(x.lun, q.preempted)
	}
	return r
}

func decodeReserveOut(x *call) (*reserveRequest, *result) {
	q := &reserveRequest{reservations: &x.lun.reservations, lun: x.lun, from: x.lun.nexusOf(x.sess), action: x.cdb[1] & 0x1f,
		kind: x.cdb[2] & 0x0f, preempted: map[nexus]bool{}}
	typed := q.action == saReserve || q.action == saRelease || q.action == saPreempt || q.action == saPreemptAndAbort
	a := &x.lun.LUNAttributes
	switch {
	case q.action > saRegisterAndIgnore, q.action == saPreemptAndAbort && a.NoPreemptAndAbort:
		return nil, checkCondition(senseIllegalRequest, ascInvalidField)
	case typed && (x.cdb[2]>>4 != 0 || !a.knowsType(q.kind)):
		return nil, checkCondition(senseIllegalRequest, ascInvalidField)
	case len(x.data) != reserveParameters:
		return nil, checkCondition(senseIllegalRequest, ascParameterLength)
	}
	q.key, q.service, q.persist = bigEndian(x.data[:8]), bigEndian(x.data[8:16]), x.data[20]&1 != 0
	// SPEC_I_PT and ALL_TG_PT: REPORT CAPABILITIES says that neither is supported.
	if x.data[20]&0x0c != 0 || q.persist && a.NoPowerLoss && q.registers() {
		return nil, checkCondition(senseIllegalRequest, ascInvalidParameter)
	}
	return q, nil
}

func (a *LUNAttributes) knowsType(kind byte) bool {
	switch kind {
	case writeExclusive, exclusiveAccess:
		return true
	case writeExclusiveRegistrantsOnly, exclusiveAccessRegistrantsOnly, writeExclusiveAllRegistrants, exclusiveAccessAllRegistrants:
		return !a.NoRegistrantsOnly
	}
	return false
}

func (q *reserveRequest) registers() bool {
	return q.action == saRegister || q.action == saRegisterAndIgnore
}

func conflict() *result { return &result{status: statusReservationConflict} }

// perform requires LUN.mu. All but registering is for the registered, who name
// their key.
func (q *reserveRequest) perform() *result {
	own, registered := q.keys[q.from]
	if q.registers() {
		return q.register(own, registered)
	}
	if !registered || own != q.key {
		return conflict()
	}
	switch q.action {
	case saReserve:
		return q.take()
	case saRelease:
		return q.release()
	case saClear:
		return q.clear()
	}
	return q.preempt()
}

// register is REGISTER and REGISTER AND IGNORE EXISTING KEY (SPC-4, Section
// 5.12.7).
func (q *reserveRequest) register(own uint64, registered bool) *result {
	if q.action == saRegister && own != q.key {
		return conflict() // own is 0 for one that is not registered
	}
	q.generation++
	switch {
	case q.service != 0:
		q.keys[q.from] = q.service
	case registered:
		q.unregister()
	}
	q.reservations.persist = q.persist
	return good(nil)
}

// unregister takes the registration away, and the reservation with its last
// holder (SPC-4, Section 5.12.11.3).
func (q *reserveRequest) unregister() {
	held := q.holds(q.from)
	delete(q.keys, q.from)
	if !held || allRegistrants(q.kindHeld()) && len(q.keys) > 0 {
		return
	}
	registrants := q.kindHeld() != writeExclusive && q.kindHeld() != exclusiveAccess
	q.reserve(nexus{}, 0)
	if registrants {
		q.warnOthers(ascReservationsReleased)
	}
}

// kindHeld is the type of the reservation that there is.
func (q *reserveRequest) kindHeld() byte { return q.reservations.kind }

// warnOthers makes a unit attention pending for every other registered nexus.
func (q *reserveRequest) warnOthers(a asc) {
	q.lun.warn(a, func(n nexus) bool { return n != q.from && q.keys[n] != 0 })
}

// take is RESERVE (SPC-4, Section 5.12.9).
func (q *reserveRequest) take() *result {
	switch {
	case q.kindHeld() == 0:
		q.reserve(q.from, q.kind)
	case !q.holds(q.from) || q.kindHeld() != q.kind:
		return conflict()
	}
	return good(nil)
}

// release is RELEASE (SPC-4, Section 5.12.11.2).
func (q *reserveRequest) release() *result {
	switch {
	case !q.holds(q.from):
		return good(nil)
	case q.kindHeld() != q.kind:
		return checkCondition(senseIllegalRequest, ascInvalidRelease)
	}
	q.reserve(nexus{}, 0)
	if q.kind != writeExclusive && q.kind != exclusiveAccess {
		q.warnOthers(ascReservationsReleased)
	}
	return good(nil)
}

// clear is CLEAR (SPC-4, Section 5.12.11.6).
func (q *reserveRequest) clear() *result {
	q.generation++
	q.warnOthers(ascReservationsPreempted)
	q.keys = map[nexus]uint64{}
	q.reserve(nexus{}, 0)
	return good(nil)
}

// preempt is PREEMPT and PREEMPT AND ABORT (SPC-4, Sections 5.12.11.4 and
// 5.12.11.5).
func (q *reserveRequest) preempt() *result {
	held := q.kindHeld()
	all := q.service == 0
	switch {
	case all && !allRegistrants(held):
		return checkCondition(senseIllegalRequest, ascInvalidParameter)
	case held != 0 && (all || !allRegistrants(held) && q.holderKey() == q.service):
		q.supplant(all)
		return good(nil)
	}
	// The reservation, if there is one, stays; the registrations go.
	if !q.remove(func(n nexus) bool { return q.keys[n] == q.service }) {
		return conflict()
	}
	q.generation++
	return good(nil)
}

// supplant takes the reservation over and unregisters its holders, but for the
// nexus that preempts.
func (q *reserveRequest) supplant(all bool) {
	changed := q.kindHeld() != q.kind
	q.reserve(q.from, q.kind)
	q.remove(func(n nexus) bool { return n != q.from && (all || q.keys[n] == q.service) })
	if changed {
		q.warnOthers(ascReservationsReleased)
	}
	q.generation++
}

// remove unregisters some and tells them; false when there is none.
func (q *reserveRequest) remove(which func(nexus) bool) bool {
	for n := range q.keys {
		if which(n) {
			q.preempted[n] = true
		}
	}
	for n := range q.preempted {
		delete(q.keys, n)
	}
	q.lun.warn(ascRegistrationsPreempted, func(n nexus) bool { return n != q.from && q.preempted[n] })
	return len(q.preempted) > 0
}

// abortOf ends the commands that preempted nexuses have at the LUN.
func (t *Target) abortOf(l *LUN, preempted map[nexus]bool) {
	match := func(k *task) bool {
		return k.lun == l && preempted[l.nexusOf(k.s)] && k.cdb[0] != OpPersistentReserveOut
	}
	t.abortTasks(match)
	for _, k := range l.queued() {
		if match(k) {
			k.abort()
		}
	}
}
