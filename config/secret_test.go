package config

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/rs/zerolog"
)

const password = "Storage itself"

// TestSecretIsRedacted prints a secret, and what holds one, in every way there
// is, and looks for its bytes in any of the forms that fmt has for them.
func TestSecretIsRedacted(t *testing.T) {
	secret := NewSecret([]byte(password))
	c := &CHAP{Username: "u", Password: secret}
	target := Target{IQN: "iqn", CHAP: c}
	unexported := struct{ s Secret }{secret}
	for name, v := range map[string]any{
		"Secret": secret, "*Secret": &secret, "*CHAP": c, "CHAP": *c,
		"Target": target, "Config": &Config{Targets: []Target{target}},
		"unexported field": unexported, "[]Secret": []Secret{secret}, "map": map[string]Secret{"k": secret},
	} {
		t.Run(name, func(t *testing.T) {
			for printer, print := range printers {
				noSecret(t, printer, print(v))
			}
		})
	}
}

// printers are the ways in which a value may end up in a log or a status.
var printers = map[string]func(v any) string{
	"%v":  func(v any) string { return fmt.Sprintf("%v", v) },
	"%+v": func(v any) string { return fmt.Sprintf("%+v", v) },
	"%#v": func(v any) string { return fmt.Sprintf("%#v", v) },
	"%s":  func(v any) string { return fmt.Sprintf("%s", v) },
	"%q":  func(v any) string { return fmt.Sprintf("%q", v) },
	"%x":  func(v any) string { return fmt.Sprintf("%x", v) },
	"%d":  func(v any) string { return fmt.Sprintf("%d", v) },
	"json": func(v any) string {
		b, _ := json.Marshal(v)
		return string(b)
	},
	"xml": func(v any) string {
		b, _ := xml.Marshal(v)
		return string(b)
	},
	"toml": func(v any) string {
		var b bytes.Buffer
		_ = toml.NewEncoder(&b).Encode(map[string]any{"v": v})
		return b.String()
	},
	"zerolog": func(v any) string {
		var b bytes.Buffer
		log := zerolog.New(&b)
		log.Info().Interface("v", v).Any("w", v).Msg("")
		if s, ok := v.(fmt.Stringer); ok {
			log.Info().Stringer("s", s).Msg("")
		}
		return b.String()
	},
}

// noSecret looks for the password as text, in hexadecimal and as numbers.
func noSecret(t *testing.T, printer, got string) {
	t.Helper()
	for _, form := range []string{
		password, fmt.Sprintf("%x", password), fmt.Sprintf("%X", password),
		strings.Trim(fmt.Sprint([]byte(password)), "[]"), strings.Trim(fmt.Sprintf("%#v", []byte(password)), "[]byte{}"),
		"U3RvcmFnZSBpdHNlbGY", // base64
	} {
		if strings.Contains(got, form) {
			t.Errorf("%s shows %s", printer, got)
		}
	}
}

func TestSecret(t *testing.T) {
	source := []byte(password)
	s := NewSecret(source)
	source[0] = 'X'
	if string(s.Reveal()) != password || s.IsZero() {
		t.Errorf("%q", s.Reveal())
	}
	if got := fmt.Sprintf("%v %s %+v", s, s, s); got != "******** ******** ********" {
		t.Error(got)
	}
	var none Secret
	if !none.IsZero() || none.Reveal() != nil || none.String() != "" {
		t.Errorf("zero: %q", none.Reveal())
	}
}

// TestMessagesHideSecrets makes every message about a password that there is.
func TestMessagesHideSecrets(t *testing.T) {
	for _, text := range []string{
		chap + "username = 'u'\npassword = " + password + "\n",
		chap + "username = 'u'\npassword = \"" + password + "\\q\"\n",
		chap + "username = 'u'\npassword = ['" + password + "']\n",
		chap + "username = 'u'\npassword = '" + password + "'\npassword = '" + password + "'\n",
		chap + "username = 'u'\npasword = '" + password + "'\n",
		chap + "username = 'u'\npassword = '" + strings.Repeat(password, 20) + "'\n",
		chap + "username = 'u'\npassword = '" + password + "'\nmutual_username = 'm'\nmutual_password = '" + password + "'\n",
	} {
		_, warnings, err := Load(write(t, text))
		if err == nil {
			t.Errorf("no fault in %s", text)
			continue
		}
		if got := fmt.Sprint(err, warnings); strings.Contains(got, "Storage") {
			t.Error(got)
		}
	}
	_, _, err := Load(write(t, chap+"username = 'u'\npassword = 0123456789_\n"))
	if err == nil || strings.Contains(err.Error(), "0123456789") {
		t.Error(err)
	}
}
