package initiator

import (
	"errors"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/scsi"
)

// respondResidual ends a command with GOOD and a residual.
func respondResidual(w *wire, c *header, flags byte, count uint32) {
	w.respond(newHeader(0x21, 0x80|flags).put(atITT, c.get(atITT)).put(atResidual, count), nil)
}

// TestResidual: "U ... the Residual Count indicates the number of bytes that were
// not transferred out of the number of bytes that were expected to be
// transferred", O "the number of bytes that were not transferred because the
// initiator's Expected Data Transfer Length was not sufficient" (RFC 7143,
// Section 11.4.5.1). For a read or write of blocks both mean that the caller does
// not have what it asked for.
func TestResidual(t *testing.T) {
	const underflow, overflow = 0x02, 0x04
	for name, c := range map[string]struct {
		serve func(w *wire, c *header)
		fails bool
	}{
		"underflow": {func(w *wire, c *header) {
			w.inform(dataIn(c, 0x80, 0, 0), make([]byte, 100))
			respondResidual(w, c, underflow, 412)
		}, true},
		"underflow of all": {func(w *wire, c *header) { respondResidual(w, c, underflow, 512) }, true},
		"underflow, all came": {func(w *wire, c *header) {
			w.inform(dataIn(c, 0x80, 0, 0), make([]byte, 512))
			respondResidual(w, c, underflow, 12)
		}, true},
		"overflow": {func(w *wire, c *header) {
			w.inform(dataIn(c, 0x80, 0, 0), make([]byte, 512))
			respondResidual(w, c, overflow, 512)
		}, true},
		"underflow in Data-In": {func(w *wire, c *header) {
			w.respond(dataIn(c, 0x81|underflow, 0, 0).put(atResidual, 412), make([]byte, 100))
		}, true},
		// "Residual Count ... SHOULD be zero" without a flag: not valid.
		"count without a flag": {func(w *wire, c *header) {
			w.inform(dataIn(c, 0x80, 0, 0), make([]byte, 512))
			respondResidual(w, c, 0, 77)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newWirePeer(t, "")
			s, w := p.login()
			done := readBlock(rawDisk(s, scsi.LUN{}), 0)
			command, _ := w.command()
			c.serve(w, command)
			if err := result(t, done); (err != nil) != c.fails || c.fails && !errors.Is(err, ErrShort) {
				t.Errorf("the read ended with: %v", err)
			}
			w.quiet() // no reason to end the connection
		})
	}
}

// TestResponseNotZero: the status "is only valid if the response code is Command
// Completed at Target" (RFC 7143, Section 11.4.2): a Target Failure with
// the status GOOD is no success, and the command is sent again.
func TestResponseNotZero(t *testing.T) {
	for _, response := range []byte{0x01, 0x80, 0xff} {
		p := newWirePeer(t, "")
		s, w := p.login()
		done := readBlock(rawDisk(s, scsi.LUN{}), 0)
		command, _ := w.command()
		w.inform(dataIn(command, 0x80, 0, 0), make([]byte, 512))
		h := newHeader(0x21, 0x80).put(atITT, command.get(atITT))
		h[2] = response
		w.respond(h, nil)
		again, _ := w.command()
		w.serveBlock(again, make([]byte, 512))
		if err := result(t, done); err != nil {
			t.Error(err)
		}
	}
}
