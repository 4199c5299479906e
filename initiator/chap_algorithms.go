package initiator

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"hash"
	"strconv"
	"strings"
)

// chapAlgorithm is a hash that CHAP answers are made with. The numbers are
// those of IANA's registry of PPP authentication algorithms.
type chapAlgorithm struct {
	id   int
	hash func() hash.Hash
}

// chapAlgorithms are offered in this order. SHA-256 would stand second by its
// strength, but targets of the tgt and IET families mean SHA1 by the number 7
// and take the first of 5 and 7: behind MD5 they never choose it, and those
// that know SHA-256 under its number mostly know SHA3-256 too.
var chapAlgorithms = []chapAlgorithm{
	{8, func() hash.Hash { return sha3.New256() }},
	{6, sha1.New},
	{5, md5.New},
	{7, sha256.New},
}

// chapOffer lists the algorithms as the value of CHAP_A.
func chapOffer() string {
	ids := make([]string, len(chapAlgorithms))
	for i, a := range chapAlgorithms {
		ids[i] = strconv.Itoa(a.id)
	}
	return strings.Join(ids, ",")
}

// findCHAPAlgorithm returns the algorithm that a CHAP_A of the target names.
func findCHAPAlgorithm(value string) (chapAlgorithm, error) {
	id, err := parseNumber(value)
	if err == nil {
		for _, a := range chapAlgorithms {
			if a.id == id {
				return a, nil
			}
		}
	}
	return chapAlgorithm{}, protocolErrorf("the target chose CHAP_A=%.20q of the offer %s", value, chapOffer())
}

// response is what proves the knowledge of secret: the hash over identifier,
// secret and challenge (RFC 1994, Section 4.1).
func (a chapAlgorithm) response(id byte, secret, challenge []byte) []byte {
	h := a.hash()
	h.Write([]byte{id})
	h.Write(secret)
	h.Write(challenge)
	return h.Sum(nil)
}

// size returns the length of a response in bytes.
func (a chapAlgorithm) size() int { return a.hash().Size() }
