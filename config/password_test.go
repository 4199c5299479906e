package config

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// withPasswordFile loads a target whose password is in a file "secret" with
// the given content, in the configuration's folder.
func withPasswordFile(t *testing.T, content string, mode os.FileMode) (*Config, []Warning, error) {
	t.Helper()
	path := write(t, chap+"username = 'u'\npassword_file = 'secret'\n")
	secret := filepath.Join(filepath.Dir(path), "secret")
	if err := os.WriteFile(secret, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(secret, mode); err != nil {
		t.Fatal(err)
	}
	return Load(path)
}

func TestPasswordFile(t *testing.T) {
	most := strings.Repeat("x", maxCHAP)
	for _, tc := range []struct{ name, content, want, fault string }{
		{"no newline", "twelve bytes", "twelve bytes", ""},
		{"one newline is cut", "twelve bytes\n", "twelve bytes", ""},
		{"of two kinds", "twelve bytes\r\n", "twelve bytes", ""},
		{"and no more", "twelve bytes \n\n", "twelve bytes \n", ""},
		{"raw bytes", "twelve\x00\xffbytes\\", "twelve\x00\xffbytes\\", ""},
		{"longest", most + "\n", most, ""},
		{"longer", most + "x\n", "", "the password has more than 255 bytes"},
		{"much longer", strings.Repeat(most, 100), "", "the password has more than 255 bytes"},
		{"empty", "", "", "the password is empty"},
		{"only a newline", "\n", "", "the password is empty"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, warnings, err := withPasswordFile(t, tc.content, 0o600)
			if tc.fault != "" {
				if err == nil || !strings.Contains(err.Error(), ":6: target.chap.password_file: "+tc.fault) {
					t.Errorf("got %v, want %s", err, tc.fault)
				}
				return
			}
			if err != nil || len(warnings) > 0 {
				t.Fatal(err, warnings)
			}
			if got := string(c.Targets[0].CHAP.Password.Reveal()); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestPasswordFileWarnings(t *testing.T) {
	c, warnings, err := withPasswordFile(t, "short\n", 0o604)
	if err != nil {
		t.Fatal(err)
	}
	expectLines(t, c.Path, warnings, []string{
		`6: target.chap.password_file: others than the owner can read "secret"`,
		"6: target.chap.password_file: the password has only 5 bytes",
	})
}

// TestPasswordFIFO refuses what would block the reader.
func TestPasswordFIFO(t *testing.T) {
	path := write(t, chap+"username = 'u'\npassword_file = 'secret'\n")
	if err := syscall.Mkfifo(filepath.Join(filepath.Dir(path), "secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(path); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Error(err)
	}
}

// TestCredentialsDirectory takes a credential of systemd where it is, and the
// file beside the configuration where it is not.
func TestCredentialsDirectory(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", folder)
	c, _, err := withPasswordFile(t, "from beside it", 0o600)
	if err != nil || string(c.Targets[0].CHAP.Password.Reveal()) != "from beside it" {
		t.Fatal(c, err)
	}
	// systemd gives access by an ACL, which shows in the group's bits.
	if err := os.WriteFile(filepath.Join(folder, "secret"), []byte("from systemd\n"), 0o440); err != nil {
		t.Fatal(err)
	}
	c, warnings, err := withPasswordFile(t, "from beside it", 0o600)
	if err != nil || string(c.Targets[0].CHAP.Password.Reveal()) != "from systemd" || len(warnings) > 0 {
		t.Fatal(c, warnings, err)
	}
}

// TestMutualPasswordFile reads both halves of mutual CHAP.
func TestMutualPasswordFile(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "theirs")
	if err := os.WriteFile(secret, []byte("their password"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := mustLoad(t, chap+"username = 'u'\npassword = 'our own password'\nmutual_username = 'm'\nmutual_password_file = '"+secret+"'\n")
	got := c.Targets[0].CHAP
	if !got.Mutual() || got.MutualUsername != "m" || string(got.MutualPassword.Reveal()) != "their password" || string(got.Password.Reveal()) != "our own password" {
		t.Errorf("%+v", got)
	}
}
