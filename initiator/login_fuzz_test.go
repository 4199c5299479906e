package initiator

import (
	"bytes"
	"io"
	"net"
	"slices"
	"testing"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

// replay is a connection whose peer has said everything in advance.
type replay struct {
	net.Conn // nil: nothing else is called
	in       *bytes.Reader
}

func (r replay) Read(b []byte) (int, error)  { return r.in.Read(b) }
func (r replay) Write(b []byte) (int, error) { return len(b), nil }

// FuzzLoginResponse runs a whole login, with mutual CHAP or without, against
// any bytes. It must end, within its bounds, and succeed only when the
// authentication did.
func FuzzLoginResponse(f *testing.F) {
	header := make([]byte, 48)
	copy(header[8:], testISID())
	for _, script := range [][]reply{
		{noAuth, welcome},
		{chooseCHAP, challenge5, withKeys(chapPassed, "CHAP_N=nas CHAP_R=0x00"), welcome},
		{moved(1, "10.0.0.1:3260,1")},
		{{flags: 0x40, raw: "Auth"}, {raw: "Method=None\x00"}, noAuth, welcome},
		{{status: [2]byte{2, 1}}},
	} {
		var b []byte
		for i, r := range script {
			b = append(b, r.bytes(header, uint32(i))...)
		}
		f.Add(b, len(script) == 4)
	}
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), false)
	f.Fuzz(func(t *testing.T, b []byte, mutual bool) {
		cfg := testConfig()
		if mutual {
			cfg = chapConfig(true)
		}
		in := bytes.NewReader(b)
		l := newLogin(replay{in: in}, cfg)
		err := l.run()
		if l.wire.text > maxLoginText+loginSegmentLength || l.wire.pdus > maxLoginPDUs+1 {
			t.Fatalf("%d bytes of text, %d PDUs", l.wire.text, l.wire.pdus)
		}
		if err != nil {
			return
		}
		if mutual {
			t.Fatal("a target that knows no secret got in")
		}
		if l.params.FirstBurstLength > l.params.MaxBurstLength || l.last.TSIH == 0 {
			t.Fatalf("got %+v", l.params)
		}
	})
}

func testISID() []byte {
	isid := testConfig().ISID
	return slices.Clone(isid[:])
}

// TestLoginReadsPiecewise gives a login one byte at a time.
func TestLoginReadsPiecewise(t *testing.T) {
	header := make([]byte, 48)
	copy(header[8:], testISID())
	b := slices.Concat(noAuth.bytes(header, 1), welcome.bytes(header, 2))
	var pieces []io.Reader
	for i := range b {
		pieces = append(pieces, bytes.NewReader(b[i:i+1]))
	}
	l := newLogin(&pieceConn{in: io.MultiReader(pieces...)}, testConfig())
	if err := l.run(); err != nil || l.stage != pdu.FullFeaturePhase {
		t.Errorf("got %v in the stage %v", err, l.stage)
	}
}

type pieceConn struct {
	net.Conn
	in io.Reader
}

func (p *pieceConn) Read(b []byte) (int, error)  { return p.in.Read(b) }
func (p *pieceConn) Write(b []byte) (int, error) { return len(b), nil }
