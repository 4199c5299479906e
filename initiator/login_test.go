package initiator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/iscsifs/iscsifs/initiator/pdu"
	"go.uber.org/goleak"
)

// Replies that most scripts are made of.
var (
	noAuth  = reply{flags: 0x81, keys: "AuthMethod=None TargetPortalGroupTag=7"}
	welcome = reply{flags: 0x87, tsih: 9}
)

func withKeys(r reply, keys string) reply { r.keys = keys; return r }

func changed(r reply, change func(b []byte)) reply { r.change = change; return r }

// try logs in to a script and closes the connection of a success.
func try(t *testing.T, cfg *Config, replies ...reply) (*connected, *scriptedTarget, error) {
	t.Helper()
	s := newScript(t, replies...)
	c, err := connect(context.Background(), cfg, s.portal)
	if err == nil {
		c.conn.Close()
	}
	return c, s, err
}

func TestLogin(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("script", func(t *testing.T) {
		c, s, err := try(t, testConfig(), noAuth, withKeys(welcome, "InitialR2T=No MaxBurstLength=65536 MaxRecvDataSegmentLength=0x4000"))
		if err != nil {
			t.Fatal(err)
		}
		want := DefaultParams()
		want.InitialR2T, want.MaxBurstLength, want.FirstBurstLength = false, 65536, 65536
		want.MaxRecvDataSegmentLength, want.MaxXmitDataSegmentLength, want.TargetPortalGroupTag = 262144, 16384, 7
		if diff := cmp.Diff(want, c.params); diff != "" {
			t.Error(diff)
		}
		if c.tsih != 9 || c.nextCmdSN != 1 || c.expStatSN != 0 || c.portal != s.portal || c.movedTo != "" {
			t.Errorf("got %+v", c)
		}
		if want := (pdu.Sequence{StatSN: 0xffffffff, ExpCmdSN: 1, MaxCmdSN: 33}); c.window != want {
			t.Errorf("window: got %+v, want %+v", c.window, want)
		}
	})
}

func TestLoginRequests(t *testing.T) {
	_, s, err := try(t, testConfig(), noAuth, welcome)
	if err != nil {
		t.Fatal(err)
	}
	got := s.got()
	if len(got) != 2 {
		t.Fatalf("got %d requests, want 2", len(got))
	}
	// RFC 7143, Section 11.12: opcode 3 with the I bit, T, stages, versions 0.
	wantFirst := []byte{0x43, 0x81, 0, 0, 0, 0, 0, byte(len(got[0].data)),
		0x80, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	if diff := cmp.Diff(wantFirst, got[0].header); diff != "" {
		t.Error(diff)
	}
	wantKeys := "InitiatorName=iqn.2026-11.org.example:initiator\x00SessionType=Normal\x00" +
		"TargetName=iqn.2026-11.org.example:login\x00AuthMethod=None\x00"
	if got[0].data != wantKeys {
		t.Errorf("first request: got %q, want %q", got[0].data, wantKeys)
	}
	wantOffers := "HeaderDigest=None DataDigest=None MaxRecvDataSegmentLength=262144 DefaultTime2Wait=2 " +
		"DefaultTime2Retain=0 ErrorRecoveryLevel=0 MaxConnections=1 InitialR2T=No ImmediateData=Yes " +
		"MaxBurstLength=16776192 FirstBurstLength=262144 MaxOutstandingR2T=8 DataPDUInOrder=Yes DataSequenceInOrder=No"
	if diff := cmp.Diff(strings.Fields(wantOffers), got[1].keys()); diff != "" {
		t.Error(diff)
	}
	if got[1].header[1] != 0x87 || [4]byte(got[1].header[24:]) != [4]byte{0, 0, 0, 1} || [4]byte(got[1].header[28:]) != [4]byte{0xff, 0xff, 0xff, 0xff} {
		t.Errorf("second request: flags, CmdSN or ExpStatSN wrong: %x", got[1].header)
	}
}

func TestLoginDiscovery(t *testing.T) {
	cfg := testConfig()
	cfg.TargetName, cfg.HeaderDigest = "", DigestCRC32C
	c, s, err := try(t, cfg, noAuth, welcome)
	if err != nil {
		t.Fatal(err)
	}
	requests := s.got()
	if v := requests[0].value("SessionType"); v != "Discovery" || requests[0].value("TargetName") != "" {
		t.Errorf("got %q", requests[0].data)
	}
	want := strings.Fields("HeaderDigest=None DataDigest=None MaxRecvDataSegmentLength=32768 DefaultTime2Wait=2 DefaultTime2Retain=0 ErrorRecoveryLevel=0")
	if diff := cmp.Diff(want, requests[1].keys()); diff != "" {
		t.Error(diff)
	}
	if c.params.MaxRecvDataSegmentLength != 32768 {
		t.Errorf("got %d", c.params.MaxRecvDataSegmentLength)
	}
}

func TestLoginRounds(t *testing.T) {
	for _, tt := range []struct {
		name    string
		replies []reply
		want    []string // data of the requests from the third on
	}{
		{"empty rounds", []reply{{flags: 0x00}, {flags: 0x00}, noAuth, {flags: 0x04}, {flags: 0x04}, welcome},
			[]string{"", "offers", "", ""}},
		{"unknown keys answered", []reply{noAuth, {flags: 0x04, keys: "X-org.example=1 IFMarker=Yes OFMarkInt=1~2"}, welcome},
			[]string{"X-org.example=NotUnderstood\x00IFMarker=Reject\x00OFMarkInt=Reject\x00"}},
		{"keys that the target begins", []reply{noAuth, {flags: 0x04, keys: "TaskReporting=FastAbort,RFC3720 iSCSIProtocolLevel=2"}, welcome},
			[]string{"TaskReporting=RFC3720\x00iSCSIProtocolLevel=1\x00"}},
		{"answers are not answered", []reply{noAuth, {flags: 0x04, keys: "X-a=NotUnderstood X-b=Reject"}, welcome}, []string{""}},
		{"continued response", []reply{noAuth, {flags: 0x44, raw: "MaxBurst"}, {flags: 0x44}, {flags: 0x04, raw: "Length=65536\x00"}, welcome},
			[]string{"", "", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, s, err := try(t, testConfig(), tt.replies...)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range s.got()[2:] {
				if strings.HasPrefix(r.data, "HeaderDigest") {
					r.data = "offers"
				}
				got = append(got, r.data)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if tt.name == "continued response" && c.params.MaxBurstLength != 65536 {
				t.Errorf("MaxBurstLength: got %d", c.params.MaxBurstLength)
			}
		})
	}
}

func TestLoginLongRequest(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	done := make(chan []request)
	go func() {
		defer server.Close()
		var got []request
		for i := range 3 {
			r, err := readRequest(server)
			if err != nil {
				break
			}
			got = append(got, r)
			server.Write(reply{flags: []byte{0, 0, 0x81}[i]}.bytes(r.header, uint32(i)))
		}
		done <- got
	}()
	w := &loginWire{conn: client}
	value := strings.Repeat("v", 20000)
	_, _, err := w.exchange(loginStep{csg: 0, nsg: 1, transit: true}, []pdu.KeyValue{{Key: "X-long", Value: value}})
	if err != nil {
		t.Fatal(err)
	}
	var text string
	for i, r := range <-done {
		if want := []byte{0x40, 0x40, 0x81}[i]; r.header[1] != want {
			t.Errorf("flags of request %d: got %#02x, want %#02x", i, r.header[1], want)
		}
		if len(r.data) > 8192 {
			t.Errorf("request of %d bytes", len(r.data))
		}
		text += r.data
	}
	if text != "X-long="+value+"\x00" {
		t.Errorf("the parts do not make up the whole")
	}
}

func TestLoginViolations(t *testing.T) {
	for name, replies := range map[string][]reply{
		"other opcode":         {noAuth, changed(welcome, func(b []byte) { b[0] = 0x24 })},
		"rejected":             {changed(noAuth, func(b []byte) { b[0] = 0x3f })},
		"other task tag":       {changed(noAuth, func(b []byte) { b[19] ^= 1 })},
		"other ISID":           {changed(noAuth, func(b []byte) { b[13] ^= 1 })},
		"other version":        {changed(noAuth, func(b []byte) { b[3] = 1 })},
		"other stage":          {changed(noAuth, func(b []byte) { b[1] = 0x87 })},
		"stage gone back":      {noAuth, {}},
		"stage skipped":        {changed(noAuth, func(b []byte) { b[1] = 0x83 })},
		"T and C":              {changed(noAuth, func(b []byte) { b[1] = 0xc1 })},
		"StatSN stands still":  {noAuth, changed(welcome, func(b []byte) { b[27]-- })},
		"no TSIH":              {noAuth, {flags: 0x87}},
		"header segment":       {changed(noAuth, func(b []byte) { b[4] = 1 })},
		"too much data":        {changed(noAuth, func(b []byte) { b[5], b[6] = 0xff, 0xff })},
		"one byte too much":    {{flags: 0, raw: strings.Repeat("\x00", 8193)}},
		"key without end":      {{flags: 0x81, raw: "AuthMethod=None"}},
		"key without name":     {{flags: 0x81, raw: "=None\x00"}},
		"key twice":            {noAuth, withKeys(welcome, "MaxBurstLength=65536 MaxBurstLength=65536")},
		"alias twice":          {withKeys(noAuth, "AuthMethod=None TargetAlias=a"), withKeys(welcome, "TargetAlias=b")},
		"AuthMethod twice":     {withKeys(noAuth, "AuthMethod=None AuthMethod=None")},
		"AuthMethod again":     {withKeys(noAuth, "AuthMethod=None"), withKeys(welcome, "AuthMethod=None")},
		"method not offered":   {withKeys(noAuth, "AuthMethod=CHAP")},
		"initiator's key":      {withKeys(noAuth, "AuthMethod=None InitiatorName=iqn.x")},
		"SendTargets in login": {noAuth, withKeys(welcome, "SendTargets=All")},
		"long value":           {noAuth, withKeys(welcome, "TargetAlias="+strings.Repeat("a", 256))},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := testConfig()
			_, _, err := try(t, cfg, replies...)
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("got %v, want an ErrProtocol", err)
			}
		})
	}
}

func TestLoginUnaskedTransit(t *testing.T) {
	cfg := testConfig()
	cfg.CHAP = &CHAP{Username: "u", Secret: []byte("initiator-secret")}
	_, _, err := try(t, cfg, noAuth) // T, while the request had none
	if !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), "unasked") {
		t.Errorf("got %v", err)
	}
}

func TestLoginNeverEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		reply reply
		most  int // requests
	}{
		"empty responses": {reply{}, maxLoginPDUs + 1},
		"C bit":           {reply{flags: 0x40, raw: strings.Repeat("a", 4096)}, maxLoginText/4096 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newTarget(t, func(request) (reply, bool) { return tt.reply, true })
			_, err := connect(context.Background(), testConfig(), s.portal)
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("got %v", err)
			}
			if n := len(s.got()); n > tt.most {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestLoginStatus(t *testing.T) {
	for status := range loginStatusSentences {
		if status == LoginSuccess || status.class() == classRedirection {
			continue
		}
		_, _, err := try(t, testConfig(), reply{status: [2]byte{byte(status >> 8), byte(status)}, raw: "garbage"})
		var e *Error
		if !errors.As(err, &e) || e.Op != "login" || !errors.Is(err, status) {
			t.Errorf("status %#04x: got %v", uint16(status), err)
		}
		if want := status == LoginAuthenticationFailure || status == LoginForbidden; Refused(err) != want {
			t.Errorf("status %#04x: Refused is %v", uint16(status), !want)
		}
	}
	_, _, err := try(t, testConfig(), reply{status: [2]byte{2, 0x77}})
	if err == nil || !strings.HasSuffix(err.Error(), "unknown error of the initiator (login status 0x0277)") {
		t.Errorf("got %v", err)
	}
	if got := LoginStatus(0x0901).Error(); got != "the target answered with an unknown status (login status 0x0901)" {
		t.Error(got)
	}
}

// TestLoginCutAtEveryByte: a connection that ends anywhere in a login, in what either
// side sends, is one that has hung up.
func TestLoginCutAtEveryByte(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	replies := []reply{noAuth, welcome}
	for i := range replies {
		begin := func(nc net.Conn) {
			for n := range i {
				if r, err := readRequest(nc); err == nil {
					nc.Write(replies[n].bytes(r.header, uint32(n)))
				}
			}
		}
		t.Run(fmt.Sprintf("response %d", i), func(t *testing.T) {
			for n := range replies[i].bytes(make([]byte, 48), 0) {
				portal := serve(t, func(nc net.Conn) {
					begin(nc)
					if r, err := readRequest(nc); err == nil {
						nc.Write(replies[i].bytes(r.header, uint32(i))[:n])
					}
				})
				if _, err := connect(context.Background(), testConfig(), portal); !errors.Is(err, errHungUp) {
					t.Fatalf("cut after %d bytes: got %v", n, err)
				}
			}
		})
		t.Run(fmt.Sprintf("request %d", i), func(t *testing.T) {
			_, s, err := try(t, testConfig(), replies...)
			if err != nil {
				t.Fatal(err)
			}
			for n := range len(s.got()[i].header) + len(s.got()[i].data) {
				portal := serve(t, func(nc net.Conn) {
					begin(nc)
					io.ReadFull(nc, make([]byte, n))
				})
				if _, err := connect(context.Background(), testConfig(), portal); !errors.Is(err, errHungUp) && !errors.Is(err, syscall.ECONNRESET) {
					t.Fatalf("cut after %d bytes: got %v", n, err)
				}
			}
		})
	}
}

func TestLoginReadsNoByteBeyond(t *testing.T) {
	portal := serve(t, func(nc net.Conn) {
		for i, a := range []reply{noAuth, welcome} {
			r, err := readRequest(nc)
			if err != nil {
				return
			}
			b := a.bytes(r.header, uint32(i))
			if i == 1 {
				b = append(b, "next PDU"...)
			}
			nc.Write(b)
		}
		readRequest(nc) // until the initiator closes
	})
	c, err := connect(context.Background(), testConfig(), portal)
	if err != nil {
		t.Fatal(err)
	}
	defer c.conn.Close()
	got := make([]byte, 8)
	c.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.conn.Read(got); err != nil || string(got) != "next PDU" {
		t.Errorf("got %q, %v", got, err)
	}
}
