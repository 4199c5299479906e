package initiator

import "github.com/iscsifs/iscsifs/initiator/pdu"

// check tests a successful response against the request that it answers, and
// takes its StatSN.
func (w *loginWire) check(req *pdu.LoginRequest, resp *pdu.LoginResponse) error {
	switch {
	// RFC 7143, Section 11.13: task tag and ISID are those of the request.
	case resp.ITT != req.ITT:
		return protocolErrorf("login response with the task tag %#x, not %#x", resp.ITT, req.ITT)
	case resp.ISID != req.ISID:
		return protocolErrorf("login response with the ISID %v, not %v", resp.ISID, req.ISID)
	case resp.VersionActive != req.VersionMin:
		return protocolErrorf("the target answers with version %#02x of iSCSI, where only %#02x was offered",
			resp.VersionActive, req.VersionMin)
	case resp.CSG != req.CSG:
		return protocolErrorf("login response of the stage %v in the stage %v", resp.CSG, req.CSG)
	}
	if err := checkTransit(req, resp); err != nil {
		return err
	}
	return w.takeStatSN(resp.StatSN)
}

// checkTransit tests the T and C bits and NSG (RFC 7143, Sections
// 11.13.6 and 11.13.7).
func checkTransit(req *pdu.LoginRequest, resp *pdu.LoginResponse) error {
	switch {
	case !resp.Transit:
		return nil
	case resp.Continue:
		return protocolErrorf("login response with both the T and the C bit")
	case !req.Transit:
		return protocolErrorf("the target leaves the stage %v unasked", req.CSG)
	case resp.NSG != req.NSG:
		return protocolErrorf("the target goes to the stage %v where %v was asked for", resp.NSG, req.NSG)
	}
	return nil
}

// takeStatSN follows the numbers of the responses: the first of a connection
// may have any, the others count up.
func (w *loginWire) takeStatSN(n uint32) error {
	if w.counted && n != w.request.ExpStatSN {
		return protocolErrorf("login response with StatSN %d where %d is due", n, w.request.ExpStatSN)
	}
	w.counted, w.request.ExpStatSN = true, n+1
	return nil
}
