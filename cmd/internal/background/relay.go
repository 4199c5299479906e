package background

import (
	"bufio"
	"encoding/json"
	"io"
	"strings"
	"sync"
)

// relay passes on the child's messages until its end of the pipe is closed, and
// closes the channel then.
func relay(r io.Reader, messages chan<- message) {
	defer close(messages)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxMessage)
	for lines.Scan() {
		var m message
		if json.Unmarshal(lines.Bytes(), &m) == nil {
			messages <- m
		}
	}
}

// maxTail is how much is kept of the child's standard error, in bytes.
const maxTail = 4 << 10

// tail keeps the last bytes written to it.
type tail struct {
	mu   sync.Mutex
	data []byte
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, p...)
	if cut := len(t.data) - maxTail; cut > 0 {
		t.data = append(t.data[:0], t.data[cut:]...)
	}
	return len(p), nil
}

// String returns what is kept, without the space around it.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.data))
}
