package scsi

import "encoding/binary"

// ModePage is a mode page code (SPC-4, section 7.5.1).
type ModePage uint8

// Mode pages.
const (
	ModePageCaching ModePage = 0x08 // SBC-3, section 6.5.5
	ModePageControl ModePage = 0x0a // SPC-4, section 7.5.8
	ModePageAll     ModePage = 0x3f // every page (SPC-4, section 6.11)
)

// Sizes in bytes of the mode parameter headers (SPC-4, section 7.5.5).
const (
	modeHeader6  = 4
	modeHeader10 = 8
)

// ModeData is what MODE SENSE told of a disk: the device-specific parameter
// (SBC-3, section 6.5.1) and the caching page (SBC-3, section 6.5.5).
type ModeData struct {
	WriteProtect bool // WP
	DPOFUA       bool // reads and writes may carry DPO and FUA

	CachingPage bool // the caching page was there; else WCE and RCD say nothing
	WCE         bool // volatile write cache enabled
	RCD         bool // read cache disabled
}

// ParseModeSense6 reads the answer of MODE SENSE (6) (SPC-4, section 7.5.5). A
// page that the answer cuts short counts as absent.
func ParseModeSense6(b []byte) (ModeData, error) {
	if len(b) < modeHeader6 {
		return ModeData{}, tooShort("MODE SENSE (6) data", len(b), modeHeader6)
	}
	length := 1 + int(b[0]) // MODE DATA LENGTH does not count itself
	return parseMode(b, length, b[2], modeHeader6+int(b[3])), nil
}

// ParseModeSense10 reads the answer of MODE SENSE (10) (SPC-4, section 7.5.5); see
// ParseModeSense6.
func ParseModeSense10(b []byte) (ModeData, error) {
	if len(b) < modeHeader10 {
		return ModeData{}, tooShort("MODE SENSE (10) data", len(b), modeHeader10)
	}
	length := 2 + int(binary.BigEndian.Uint16(b))
	pages := modeHeader10 + int(binary.BigEndian.Uint16(b[6:]))
	return parseMode(b, length, b[3], pages), nil
}

// parseMode reads the pages, which begin at offset pages, behind the block
// descriptors; length is what the target said the whole is.
func parseMode(b []byte, length int, deviceSpecific byte, pages int) ModeData {
	m := ModeData{
		WriteProtect: deviceSpecific&0x80 != 0,
		DPOFUA:       deviceSpecific&0x10 != 0,
	}
	b = b[:min(len(b), length)]
	b = b[min(len(b), pages):]
	for len(b) > 0 {
		var page []byte
		page, b = cutModePage(b)
		m.read(page)
	}
	return m
}

// cutModePage splits the first page, header included, from b. A page that b does
// not hold whole is cut at the end of b.
func cutModePage(b []byte) (page, rest []byte) {
	const subPageFormat = 0x40 // SPF (SPC-4, section 7.5.7)
	size := len(b)
	switch {
	case b[0]&subPageFormat == 0 && len(b) >= 2:
		size = 2 + int(b[1])
	case b[0]&subPageFormat != 0 && len(b) >= 4:
		size = 4 + int(binary.BigEndian.Uint16(b[2:]))
	}
	size = min(size, len(b))
	return b[:size], b[size:]
}

func (m *ModeData) read(page []byte) {
	const saveable = 0x80 // PS, no part of the code
	if len(page) < 3 || ModePage(page[0]&^saveable) != ModePageCaching {
		return
	}
	m.CachingPage = true
	m.WCE = page[2]&0x04 != 0
	m.RCD = page[2]&0x01 != 0
}
