// Package scsi implements the SCSI commands, status, sense data, INQUIRY, vital
// product data and mode pages that a disk's initiator needs, as described in SAM-5
// (architecture), SPC-4 (primary commands) and SBC-3 (block commands). Section
// numbers are those of SAM-5 revision 21, SPC-4 revision 37 and SBC-3 revision 36.
//
// It does no input or output. Builders return a CDB by value:
//
//	cdb := scsi.Read16(lba, blocks)
//
// Parsers take what a target sent, which is hostile until parsed: they never
// panic, never read behind the slice, allocate no more than in proportion to it,
// and give text as printable ASCII. What a short answer leaves out is zero.
//
// Classify turns a command's status and sense into what is to be done about it.
package scsi
