package initiator

import "fmt"

// LoginStatus is the target's answer to a login: Status-Class in the upper
// byte, Status-Detail in the lower (RFC 7143, Section 11.13.5). As an error it
// is the reason why a target refused.
type LoginStatus uint16

// The login statuses of RFC 7143.
const (
	LoginSuccess                 LoginStatus = 0x0000
	LoginTargetMovedTemporarily  LoginStatus = 0x0101
	LoginTargetMovedPermanently  LoginStatus = 0x0102
	LoginInitiatorError          LoginStatus = 0x0200
	LoginAuthenticationFailure   LoginStatus = 0x0201
	LoginForbidden               LoginStatus = 0x0202 // authorization failure
	LoginNotFound                LoginStatus = 0x0203
	LoginTargetRemoved           LoginStatus = 0x0204
	LoginUnsupportedVersion      LoginStatus = 0x0205
	LoginTooManyConnections      LoginStatus = 0x0206
	LoginMissingParameter        LoginStatus = 0x0207
	LoginCannotIncludeInSession  LoginStatus = 0x0208
	LoginSessionTypeNotSupported LoginStatus = 0x0209
	LoginSessionDoesNotExist     LoginStatus = 0x020a
	LoginInvalidRequest          LoginStatus = 0x020b
	LoginTargetError             LoginStatus = 0x0300
	LoginServiceUnavailable      LoginStatus = 0x0301
	LoginOutOfResources          LoginStatus = 0x0302
)

// The classes of a login status.
const (
	classRedirection    = 1
	classInitiatorError = 2
	classTargetError    = 3
)

var loginStatusSentences = map[LoginStatus]string{
	LoginSuccess:                 "the login succeeded",
	LoginTargetMovedTemporarily:  "the target has moved to another address for now",
	LoginTargetMovedPermanently:  "the target has moved to another address for good",
	LoginInitiatorError:          "the target refused the login for an error of the initiator",
	LoginAuthenticationFailure:   "the target refused the authentication",
	LoginForbidden:               "the target does not allow this initiator name; add it to the target's access list",
	LoginNotFound:                "there is no target of this name at this portal",
	LoginTargetRemoved:           "the target was removed from this portal and left no new address",
	LoginUnsupportedVersion:      "the target does not support this version of iSCSI",
	LoginTooManyConnections:      "the target has too many connections in this session",
	LoginMissingParameter:        "the target misses a parameter in the login, such as a name",
	LoginCannotIncludeInSession:  "the target cannot take this connection into the session",
	LoginSessionTypeNotSupported: "the target does not support this type of session",
	LoginSessionDoesNotExist:     "the target knows no such session",
	LoginInvalidRequest:          "the target calls the login request invalid",
	LoginTargetError:             "the target failed by an error of its own",
	LoginServiceUnavailable:      "the target is not in service now",
	LoginOutOfResources:          "the target is out of resources, such as free sessions",
}

// Error says the status in one sentence, with its number.
func (s LoginStatus) Error() string {
	return fmt.Sprintf("%s (login status 0x%04x)", s.sentence(), uint16(s))
}

// sentence falls back to the class for details that the RFC does not know.
func (s LoginStatus) sentence() string {
	if text, ok := loginStatusSentences[s]; ok {
		return text
	}
	switch s.class() {
	case classRedirection:
		return "the target redirects in an unknown way"
	case classInitiatorError:
		return "the target refused the login for an unknown error of the initiator"
	case classTargetError:
		return "the target failed by an unknown error of its own"
	}
	return "the target answered with an unknown status"
}

func (s LoginStatus) class() uint8 { return uint8(s >> 8) }
