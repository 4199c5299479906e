package identity

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
)

// StateDirectory returns the directory for what is kept from run to run, and makes
// it: /var/lib/iscsifs for root, $XDG_STATE_HOME/iscsifs or ~/.local/state/iscsifs
// for users. Only its user can enter it.
func StateDirectory() (string, error) {
	dir, err := stateDirectory(os.Geteuid())
	if err != nil {
		return "", fmt.Errorf("there is no directory to keep state in: %w: set XDG_STATE_HOME", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("cannot make the directory to keep state in: %w", err)
	}
	return dir, nil
}

func stateDirectory(uid int) (string, error) {
	if uid == 0 {
		return "/var/lib/iscsifs", nil
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "iscsifs"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		me, err := user.Current()
		if err != nil {
			return "", err
		}
		home = me.HomeDir
	}
	return filepath.Join(home, ".local", "state", "iscsifs"), nil
}
