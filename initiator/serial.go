package initiator

// serialBefore tells whether a comes before b in the serial number arithmetic
// of RFC 1982 with 32 bits, which all sequence numbers of iSCSI use (RFC 7143,
// Section 4.2.2.1).
func serialBefore(a, b uint32) bool { return int32(a-b) < 0 }
