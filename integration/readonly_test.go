package integration

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A LUN is read-only by the configuration, by the command, by mount's option,
// or because its target protects it.
func TestReadOnly(t *testing.T) {
	protected := map[string]string{"readonly": "1"}
	for name, c := range map[string]struct {
		params map[string]string
		target string
		flags  []string
	}{
		"configuration": {target: "read_only = true"},
		"flag":          {flags: []string{"--read-only"}},
		"option":        {flags: []string{"-o", "ro"}},
		"target":        {params: protected},
	} {
		t.Run(name, func(t *testing.T) {
			needRoot(t)
			h := newHost(t)
			s := h.serve(nil, disk{size: smallDisk, params: c.params})
			config := s.config()
			config.target = c.target
			m := h.mount(config, c.flags...)
			for _, flags := range []int{os.O_RDWR, os.O_WRONLY, os.O_WRONLY | os.O_TRUNC} {
				_, err := os.OpenFile(m.lun(1), flags, 0)
				wantErrno(t, "open for writing", err, unix.EROFS)
			}
			if h.sha256(m.lun(1)) != h.sha256(s.backing[1]) {
				t.Error("reads other bytes than the backing file's")
			}
		})
	}
}
