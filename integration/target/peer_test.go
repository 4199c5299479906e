package target

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/iscsifs/iscsifs/initiator/pdu"
)

const testIQN = "iqn.2026-11.org.example:disks"

// start runs a target until the test ends.
func start(t *testing.T, cfg Config) *Target {
	t.Helper()
	if cfg.IQN == "" {
		cfg.IQN = testIQN
	}
	if cfg.LUNs == nil {
		cfg.LUNs = []*LUN{NewMemoryLUN(4<<20, 512)}
	}
	target, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := target.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { target.Close() })
	return target
}

// peer is the other end of a connection: it sends what a test makes by hand.
type peer struct {
	t         *testing.T
	net       net.Conn
	digests   digests
	cmdSN     uint32
	expStatSN uint32
	itt       uint32
	keys      map[string]string // answers of the login
	tsih      uint16
}

func dial(t *testing.T, target *Target) *peer {
	t.Helper()
	return dialAt(t, target.Addr())
}

func dialAt(t *testing.T, address string) *peer {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return &peer{t: t, net: nc, cmdSN: 100, itt: 1, keys: map[string]string{}}
}

// write sends a PDU as it is, with digests if they are on.
func (p *peer) write(h pdu.PDU, data []byte) {
	p.t.Helper()
	p.writePDU(newPDU(h, data))
}

func (p *peer) writePDU(u *PDU) {
	p.t.Helper()
	buffers := net.Buffers(u.encode(p.digests))
	if _, err := buffers.WriteTo(p.net); err != nil {
		p.t.Fatal(err)
	}
}

// read returns the next PDU, nil at the end of the connection.
func (p *peer) read() *PDU {
	p.t.Helper()
	u := new(PDU)
	if _, err := io.ReadFull(p.net, u.Header[:]); err != nil {
		if ne, ok := err.(net.Error); ok && ne.Timeout() {
			p.t.Fatal("the target stayed silent")
		}
		return nil
	}
	p.digest(p.digests.header, u.Header[:])
	n := u.Header.DataSegmentLength()
	u.Data = make([]byte, n+pdu.Padding(n))
	if _, err := io.ReadFull(p.net, u.Data); err != nil {
		p.t.Fatal(err)
	}
	if n > 0 {
		p.digest(p.digests.data, u.Data)
	}
	u.Data = u.Data[:n]
	p.expStatSN = u.Header.Sequence().StatSN
	if consumesStatSN(&u.Header) {
		p.expStatSN++
	}
	return u
}

func (p *peer) digest(on bool, over []byte) {
	p.t.Helper()
	if !on {
		return
	}
	var b [pdu.DigestLength]byte
	io.ReadFull(p.net, b[:])
	if pdu.ReadDigest(b[:]) != pdu.Digest(0).Add(over) {
		p.t.Error("wrong digest from the target")
	}
}

func consumesStatSN(b *pdu.BHS) bool {
	switch b.Opcode() {
	case pdu.OpR2T:
		return false
	case pdu.OpDataIn:
		return b[1]&1 != 0
	case pdu.OpNOPIn:
		return b.ITT() != pdu.ReservedTag
	}
	return true
}

// loginHeader is a request straight to the full feature phase.
func (p *peer) loginHeader() *pdu.LoginRequest {
	return &pdu.LoginRequest{Transit: true, CSG: pdu.OperationalNegotiation, NSG: pdu.FullFeaturePhase,
		ISID: pdu.ISID{0x80, 1, 2, 3, 4, 5}, ITT: p.itt, CID: 7, CmdSN: p.cmdSN, ExpStatSN: p.expStatSN}
}

// names are the keys that every first login request has.
func names(extra ...pdu.KeyValue) []pdu.KeyValue {
	return append([]pdu.KeyValue{{Key: "InitiatorName", Value: "iqn.2026-11.org.example:peer"},
		{Key: "TargetName", Value: testIQN}, {Key: "SessionType", Value: "Normal"}}, extra...)
}

// exchange sends a login request and returns its answer.
func (p *peer) exchange(h *pdu.LoginRequest, keys ...pdu.KeyValue) (answer pdu.LoginResponse) {
	p.t.Helper()
	h.ExpStatSN = p.expStatSN
	p.write(h, pdu.AppendKeys(nil, keys...))
	u := p.read()
	if u == nil {
		p.t.Fatal("connection closed during login")
	}
	if err := answer.Unmarshal(&u.Header); err != nil {
		p.t.Fatal(err)
	}
	all, err := pdu.ParseKeys(u.Data)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, kv := range all {
		p.keys[kv.Key] = kv.Value
	}
	p.tsih = answer.TSIH
	return answer
}

// login logs in with keys and fails the test when that does not work.
func (p *peer) login(extra ...pdu.KeyValue) *peer {
	p.t.Helper()
	a := p.exchange(p.loginHeader(), names(extra...)...)
	if a.StatusClass != 0 || !a.Transit {
		p.t.Fatalf("login answered %+v", a)
	}
	p.digests = digests{p.keys["HeaderDigest"] == "CRC32C", p.keys["DataDigest"] == "CRC32C"}
	return p
}

// command returns a SCSI command with the next numbers.
func (p *peer) command(cdb []byte, edtl uint32) *pdu.SCSICommand {
	p.itt++
	c := &pdu.SCSICommand{Final: true, Attr: pdu.Simple, ITT: p.itt, CmdSN: p.cmdSN,
		ExpStatSN: p.expStatSN, ExpectedDataTransferLength: edtl}
	copy(c.CDB[:], cdb)
	p.cmdSN++
	return c
}

func read10(lba byte, blocks byte) []byte {
	return []byte{OpRead10, 0, 0, 0, 0, lba, 0, 0, blocks, 0}
}

func write10(lba byte, blocks byte) []byte {
	return []byte{OpWrite10, 0, 0, 0, 0, lba, 0, 0, blocks, 0}
}

// reading makes a command one that reads; writing one that writes.
func reading(c *pdu.SCSICommand) *pdu.SCSICommand { c.Read = true; return c }
func writing(c *pdu.SCSICommand) *pdu.SCSICommand { c.Write = true; return c }

// response reads up to the end of a command: its data, status and sense.
func (p *peer) response() (data []byte, status byte, sense []byte) {
	p.t.Helper()
	for {
		u := p.read()
		if u == nil {
			p.t.Fatal("connection closed instead of a response")
		}
		switch u.Header.Opcode() {
		case pdu.OpDataIn:
			data = append(data, u.Data...)
			if u.Header[1]&1 != 0 {
				return data, u.Header[3], nil
			}
		case pdu.OpSCSIResponse:
			return data, u.Header[3], pdu.SenseData(u.Data)
		default:
			p.t.Fatalf("unexpected %v", u)
		}
	}
}

// senseIs tells whether fixed format sense data says so.
func senseIs(b []byte, key, code, qualifier byte) bool {
	return len(b) >= 14 && b[2]&0xf == key && b[12] == code && b[13] == qualifier
}

// eventually waits for what need not have happened yet.
func eventually(is func() bool) bool {
	for deadline := time.Now().Add(patience); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}

// broken tells whether a rule was broken.
func broken(target *Target, name string) bool {
	for _, v := range target.Violations() {
		if v.Name == name {
			return true
		}
	}
	return false
}
