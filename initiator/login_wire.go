package initiator

import (
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// Bounds of a login. The length of a data segment is the standard's: what is
// declared in a login holds only after it (RFC 7143, Section 13.12).
const (
	loginSegmentLength = 8192
	maxLoginText       = 64 << 10 // bytes of text from the target
	maxLoginPDUs       = 64       // PDUs from the target
)

// loginWire carries login requests and responses over a connection. It never
// reads a byte beyond the response that it waits for.
type loginWire struct {
	conn net.Conn
	// request holds the fields that all requests of a login share. CmdSN stays:
	// login requests are immediate and take no number.
	request pdu.LoginRequest

	heard   bool // a response came: the peer speaks iSCSI
	counted bool // request.ExpStatSN is what the target told
	pdus    int
	text    int
	sent    int // PDUs to the target
}

// loginStep is what one request asks for.
type loginStep struct {
	csg, nsg pdu.Stage
	transit  bool
}

// exchange sends keys and returns the whole answer, each in as many PDUs as
// it takes. A response with a status other than success is returned like any
// other.
func (w *loginWire) exchange(step loginStep, keys []pdu.KeyValue) (pdu.LoginResponse, []pdu.KeyValue, error) {
	text := pdu.AppendKeys(nil, keys...)
	for len(text) > loginSegmentLength {
		resp, answer, err := w.part(step, text[:loginSegmentLength])
		if err != nil || failed(&resp) {
			return resp, answer, err
		}
		text = text[loginSegmentLength:]
	}
	resp, answer, err := w.round(step, text, false)
	if err != nil {
		return resp, nil, err
	}
	return w.collect(step, resp, answer)
}

// part sends a part of the keys. The target must answer a request with the C
// bit by a response without keys (RFC 7143, Section 6.2).
func (w *loginWire) part(step loginStep, text []byte) (pdu.LoginResponse, []pdu.KeyValue, error) {
	step.transit = false
	resp, answer, err := w.round(step, text, true)
	if err == nil && !failed(&resp) && (len(answer) > 0 || resp.Continue) {
		err = protocolErrorf("the target answers before the keys are complete")
	}
	return resp, nil, err
}

// collect fetches what the C bit announces with empty requests. They do not
// ask for a transition: the keys to come may need an answer.
func (w *loginWire) collect(step loginStep, resp pdu.LoginResponse, text []byte) (pdu.LoginResponse, []pdu.KeyValue, error) {
	step.transit = false
	for resp.Continue && !failed(&resp) {
		next, more, err := w.round(step, nil, false)
		if err != nil {
			return next, nil, err
		}
		resp, text = next, append(text, more...)
	}
	keys, err := pdu.ParseKeys(text)
	if err != nil && !(failed(&resp) && resp.StatusClass != classRedirection) {
		return resp, nil, protocolErrorf("the login response holds a %v", err)
	}
	return resp, keys, nil
}

// failed tells whether the status of a response is another than success.
func failed(r *pdu.LoginResponse) bool { return r.StatusClass != 0 }

// round sends one request and returns the response to it.
func (w *loginWire) round(step loginStep, text []byte, more bool) (pdu.LoginResponse, []byte, error) {
	req := w.request
	req.CSG, req.Transit, req.Continue = step.csg, step.transit, more
	if step.transit {
		req.NSG = step.nsg
	}
	if err := w.send(&req, text); err != nil {
		return pdu.LoginResponse{}, nil, err
	}
	resp, answer, err := w.receive()
	if err == nil && !failed(&resp) {
		err = w.check(&req, &resp)
	}
	return resp, answer, err
}

func (w *loginWire) send(req *pdu.LoginRequest, text []byte) error {
	var bhs pdu.BHS
	req.Marshal(&bhs)
	bhs.SetDataSegmentLength(len(text))
	padding := make([]byte, pdu.Padding(len(text)))
	w.sent++
	_, err := w.conn.Write(slices.Concat(bhs[:], text, padding))
	return err
}

// receive reads one login response and its text.
func (w *loginWire) receive() (resp pdu.LoginResponse, text []byte, err error) {
	var bhs pdu.BHS
	if err := w.readHeader(&bhs); err != nil {
		return resp, nil, err
	}
	if err := resp.Unmarshal(&bhs); err != nil {
		return resp, nil, protocolErrorf("%v PDU in answer to a login", bhs.Opcode())
	}
	n := bhs.DataSegmentLength()
	if err := w.count(bhs.AHSLength(), n); err != nil {
		return resp, nil, err
	}
	text = make([]byte, n+pdu.Padding(n))
	if _, err := io.ReadFull(w.conn, text); err != nil {
		return resp, nil, cutOff(err)
	}
	return resp, text[:n], nil
}

// count bounds what the target sends, before memory is taken for it.
func (w *loginWire) count(ahs, n int) error {
	switch {
	case ahs > 0:
		return protocolErrorf("login response with an additional header segment")
	case n > loginSegmentLength:
		return protocolErrorf("login response with %d bytes of data, more than %d", n, loginSegmentLength)
	}
	w.pdus++
	w.text += n
	switch {
	case w.text > maxLoginText:
		return protocolErrorf("the login responses hold more than %d bytes of keys", maxLoginText)
	case w.pdus > maxLoginPDUs:
		return protocolErrorf("the target does not come to an end after %d login responses", maxLoginPDUs)
	}
	return nil
}

// readHeader looks at the first bytes of a peer before it waits for more: one
// that speaks something else may never send 48.
func (w *loginWire) readHeader(bhs *pdu.BHS) error {
	n, err := io.ReadAtLeast(w.conn, bhs[:], 1)
	if err != nil {
		return cutOff(err)
	}
	if !w.heard && !answersLogin(bhs.Opcode()) {
		return fmt.Errorf("%w (it begins with %q)", ErrNotISCSI, bhs[:min(n, 32)])
	}
	w.heard = true
	_, err = io.ReadFull(w.conn, bhs[n:])
	return cutOff(err)
}

func answersLogin(op pdu.Opcode) bool { return op == pdu.OpLoginResp || op == pdu.OpReject }

// errHungUp is what a portal does that does not want this initiator at all.
var errHungUp = errors.New("the target closed the connection during the login; does it allow this initiator?")

// cutOff names the end of a connection.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errHungUp
	}
	return err
}
