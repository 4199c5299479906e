package status

// Stats counts what the sessions of a target have exchanged, under the names of
// `iscsiadm -m session -s`.
type Stats struct {
	TxDataOctets  uint64 `json:"txdata_octets"`
	RxDataOctets  uint64 `json:"rxdata_octets"`
	NOPTxPDUs     uint64 `json:"noptx_pdus"` // NOP-Out
	SCSICmdPDUs   uint64 `json:"scsicmd_pdus"`
	TMFCmdPDUs    uint64 `json:"tmfcmd_pdus"`
	LoginPDUs     uint64 `json:"login_pdus"` // of logins that succeeded
	TextPDUs      uint64 `json:"text_pdus"`
	DataOutPDUs   uint64 `json:"dataout_pdus"`
	LogoutPDUs    uint64 `json:"logout_pdus"`
	SNACKPDUs     uint64 `json:"snack_pdus"` // always 0: for ErrorRecoveryLevel 1 and above
	NOPRxPDUs     uint64 `json:"noprx_pdus"` // NOP-In
	SCSIRspPDUs   uint64 `json:"scsirsp_pdus"`
	TMFRspPDUs    uint64 `json:"tmfrsp_pdus"`
	TextRspPDUs   uint64 `json:"textrsp_pdus"`
	DataInPDUs    uint64 `json:"datain_pdus"`
	LogoutRspPDUs uint64 `json:"logoutrsp_pdus"`
	R2TPDUs       uint64 `json:"r2t_pdus"`
	AsyncPDUs     uint64 `json:"async_pdus"`
	RejectPDUs    uint64 `json:"rjt_pdus"`
	DigestErrors  uint64 `json:"digest_err"`
	TimeoutErrors uint64 `json:"timeout_err"`
}
