package fusefs

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"syscall"
)

// resolveAllowOther decides whether to mount with allow_other. Root always
// may; others only if conf, which fusermount3 obeys, says user_allow_other.
// Asking first saves fusermount3's complaint on the terminal.
func resolveAllowOther(want AllowOther, euid int, conf string) (bool, error) {
	if want == AllowOtherNo {
		return false, nil
	}
	allowed := euid == 0 || userAllowOther(conf)
	if want == AllowOtherYes && !allowed {
		return false, fmt.Errorf("allow_other: %w: only root may allow it, or everyone when a line of %s says user_allow_other", syscall.EPERM, conf)
	}
	return allowed, nil
}

// userAllowOther tells whether a line of conf is user_allow_other. A file that
// cannot be read permits nothing.
func userAllowOther(conf string) bool {
	text, err := os.ReadFile(conf)
	if err != nil {
		return false
	}
	for line := range bytes.Lines(text) {
		if strings.TrimSpace(string(line)) == "user_allow_other" {
			return true
		}
	}
	return false
}
