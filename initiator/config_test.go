package initiator

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// TestConfigHidesSecrets: with every verb, also of what holds the credentials.
func TestConfigHidesSecrets(t *testing.T) {
	c := &CHAP{Username: "host", Secret: []byte("Own-Xq7v"), MutualUsername: "nas", MutualSecret: []byte("Mutual-Gh6w")}
	for _, v := range []any{c, *c, []CHAP{*c}, Config{CHAP: c}} {
		var prints []string
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			prints = append(prints, fmt.Sprintf(verb, v))
		}
		raw, _ := json.Marshal(v)
		for _, got := range append(prints, string(raw)) {
			for _, secret := range [][]byte{c.Secret, c.MutualSecret} {
				for _, form := range []string{string(secret), fmt.Sprintf("%x", secret), strings.Trim(fmt.Sprint(secret), "[]"),
					strings.Trim(fmt.Sprintf("%#v", secret), "[]byte{}"), "T3duLVhxN3", "TXV0dWFsLUdoNn"} {
					if strings.Contains(got, form) {
						t.Errorf("%T prints %s", v, got)
					}
				}
			}
		}
	}
	if got := fmt.Sprint(c); !strings.Contains(got, "host") || !strings.Contains(got, "nas") {
		t.Errorf("no names in %s", got)
	}
}
