package initiator

import (
	"encoding/binary"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
)

// reply is one login response of a scripted target, written down byte by byte
// from RFC 7143, Section 11.13, and not with the encoder under test.
type reply struct {
	flags  byte    // T 0x80, C 0x40, CSG 0x0c, NSG 0x03
	keys   string  // separated by blanks
	raw    string  // data segment as it stands, instead of keys
	tsih   uint16  // as in the last response
	status [2]byte // class and detail
	change func(b []byte)
	hangUp bool // closes the connection instead
}

func (r reply) data() []byte {
	if r.raw != "" {
		return []byte(r.raw)
	}
	var b []byte
	for _, kv := range strings.Fields(r.keys) {
		b = append(append(b, kv...), 0)
	}
	return b
}

// bytes answers the request with the given header.
func (r reply) bytes(request []byte, statSN uint32) []byte {
	data := r.data()
	b := make([]byte, 48, 48+len(data)+3)
	b[0], b[1] = 0x23, r.flags
	b[5], b[6], b[7] = byte(len(data)>>16), byte(len(data)>>8), byte(len(data))
	copy(b[8:14], request[8:14])
	binary.BigEndian.PutUint16(b[14:], r.tsih)
	copy(b[16:20], request[16:20])
	binary.BigEndian.PutUint32(b[24:], statSN)
	binary.BigEndian.PutUint32(b[28:], 1)
	binary.BigEndian.PutUint32(b[32:], 33)
	b[36], b[37] = r.status[0], r.status[1]
	b = append(b, data...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	if r.change != nil {
		r.change(b)
	}
	return b
}

// request is one login request as a scripted target got it.
type request struct {
	header []byte
	data   string
}

func (r request) keys() []string {
	return strings.Split(strings.TrimSuffix(r.data, "\x00"), "\x00")
}

func (r request) value(key string) string {
	for _, kv := range r.keys() {
		if v, ok := strings.CutPrefix(kv, key+"="); ok {
			return v
		}
	}
	return ""
}

// scriptedTarget answers one connection after the other from one script.
type scriptedTarget struct {
	portal   string
	mu       sync.Mutex
	requests []request
}

// newScript returns a target that gives the replies in turn and stays silent
// after the last.
func newScript(t testing.TB, replies ...reply) *scriptedTarget {
	next := 0
	return newTarget(t, func(request) (reply, bool) {
		next++
		if next > len(replies) {
			return reply{}, false
		}
		return replies[next-1], true
	})
}

// newTarget returns a target that asks answer for each reply.
func newTarget(t testing.TB, answer func(request) (reply, bool)) *scriptedTarget {
	s := &scriptedTarget{}
	s.portal = serve(t, func(nc net.Conn) { s.talk(nc, answer) })
	return s
}

// serve gives each connection to handle, one at a time, until the test ends.
func serve(t testing.TB, handle func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			handle(nc)
			nc.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

func (s *scriptedTarget) talk(nc net.Conn, answer func(request) (reply, bool)) {
	for statSN := uint32(0xfffffffe); ; statSN++ { // wraps during the login
		r, err := readRequest(nc)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.requests = append(s.requests, r)
		s.mu.Unlock()
		a, ok := answer(r)
		if a.hangUp {
			return
		}
		if ok {
			nc.Write(a.bytes(r.header, statSN))
		}
	}
}

func readRequest(r io.Reader) (request, error) {
	header := make([]byte, 48)
	if _, err := io.ReadFull(r, header); err != nil {
		return request{}, err
	}
	n := int(header[5])<<16 | int(header[6])<<8 | int(header[7])
	data := make([]byte, (n+3)&^3)
	_, err := io.ReadFull(r, data)
	return request{header, string(data[:n])}, err
}

// got returns the requests so far.
func (s *scriptedTarget) got() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}
