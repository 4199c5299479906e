// Package pdu holds the Protocol Data Units of iSCSI, as described in RFC
// 7143, Section 11: one Go type per PDU with Marshal and Unmarshal side by
// side, the text keys of Section 6, and the CRC32C of the digests.
//
// Nothing here does I/O. A PDU on the wire is
//
//	+-----------------------------+
//	| BHS: 48 bytes               |  Basic Header Segment
//	+-----------------------------+
//	| AHS: 0..1,020 bytes         |  Additional Header Segments, 4 x TotalAHSLength
//	+-----------------------------+
//	| Header-Digest: 0 or 4 bytes |  CRC32C over BHS and AHS
//	+-----------------------------+
//	| Data Segment: 0..2^24-1     |  DataSegmentLength, padding not counted
//	| + padding to 4 bytes        |
//	+-----------------------------+
//	| Data-Digest: 0 or 4 bytes   |  CRC32C over data and padding
//	+-----------------------------+
//
// The types below are the 48 bytes of the BHS. The lengths of the two
// variable segments belong to framing and are set on the [BHS] itself, so
// that data stays in the caller's memory:
//
//	var bhs pdu.BHS
//	(&pdu.NOPOut{ITT: 7, TTT: pdu.ReservedTag}).Marshal(&bhs)
//	bhs.SetDataSegmentLength(len(ping))
//
// Numbers are big-endian on the wire, except the digests. The layouts are
// the standard's and must not be changed.
package pdu
