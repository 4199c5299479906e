package pdu

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Digest is a running CRC32C of a header or of a data segment (RFC 7143,
// Section 13.1). The zero value is the digest of nothing.
type Digest uint32

// Add returns the digest of what came before followed by p.
func (d Digest) Add(p []byte) Digest { return Digest(crc32.Update(uint32(d), castagnoli, p)) }

// AddPadding returns the digest after the zero bytes that pad n bytes of data.
func (d Digest) AddPadding(n int) Digest { return d.Add(zeroes[:Padding(n)]) }

// Put writes the digest as it stands on the wire: unlike all numbers of the
// protocol its least significant byte comes first.
func (d Digest) Put(b []byte) { binary.LittleEndian.PutUint32(b, uint32(d)) }

// ReadDigest reads a digest as it stands on the wire.
func ReadDigest(b []byte) Digest { return Digest(binary.LittleEndian.Uint32(b)) }

var zeroes [4]byte
