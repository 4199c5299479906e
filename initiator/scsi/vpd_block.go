package scsi

import "encoding/binary"

// BlockLimits is the Block Limits page, B0h (SBC-3, section 6.6.3). Lengths are
// in logical blocks; zero means that the target does not report the limit.
type BlockLimits struct {
	WriteSameNonZero           bool   // WSNZ: WRITE SAME with zero blocks is refused
	MaxCompareAndWrite         uint8  // MAXIMUM COMPARE AND WRITE LENGTH
	OptimalTransferGranularity uint16 // OPTIMAL TRANSFER LENGTH GRANULARITY
	MaxTransfer                uint32 // MAXIMUM TRANSFER LENGTH
	OptimalTransfer            uint32 // OPTIMAL TRANSFER LENGTH
	MaxPrefetch                uint32 // MAXIMUM PREFETCH LENGTH
	MaxUnmapBlocks             uint32 // MAXIMUM UNMAP LBA COUNT
	MaxUnmapDescriptors        uint32 // MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT
	OptimalUnmapGranularity    uint32 // OPTIMAL UNMAP GRANULARITY
	UnmapAlignment             uint32 // UNMAP GRANULARITY ALIGNMENT, the first aligned LBA
	UnmapAlignmentValid        bool   // UGAVALID
	MaxWriteSame               uint64 // MAXIMUM WRITE SAME LENGTH
}

// ParseBlockLimits reads the Block Limits page, B0h (SBC-3, section 6.6.3). The
// shorter page of SBC-2 leaves the later fields zero.
func ParseBlockLimits(b []byte) (BlockLimits, error) {
	body, err := vpdBody(b, VPDBlockLimits)
	if err != nil {
		return BlockLimits{}, err
	}
	// The offsets are the standard's, less the page's header.
	f := padded(body, 40)
	alignment := binary.BigEndian.Uint32(f[28:])
	return BlockLimits{
		WriteSameNonZero:           f[0]&0x01 != 0,
		MaxCompareAndWrite:         f[1],
		OptimalTransferGranularity: binary.BigEndian.Uint16(f[2:]),
		MaxTransfer:                binary.BigEndian.Uint32(f[4:]),
		OptimalTransfer:            binary.BigEndian.Uint32(f[8:]),
		MaxPrefetch:                binary.BigEndian.Uint32(f[12:]),
		MaxUnmapBlocks:             binary.BigEndian.Uint32(f[16:]),
		MaxUnmapDescriptors:        binary.BigEndian.Uint32(f[20:]),
		OptimalUnmapGranularity:    binary.BigEndian.Uint32(f[24:]),
		UnmapAlignment:             alignment & 0x7fffffff,
		UnmapAlignmentValid:        alignment&0x80000000 != 0,
		MaxWriteSame:               binary.BigEndian.Uint64(f[32:]),
	}, nil
}

// NonRotating is the medium rotation rate of a solid state medium.
const NonRotating = 0x0001

// BlockDeviceCharacteristics is the Block Device Characteristics page, B1h
// (SBC-3, section 6.6.2).
type BlockDeviceCharacteristics struct {
	RotationRate uint16 // revolutions per minute; 0 not reported; NonRotating
	ProductType  uint8
	FormFactor   uint8 // NOMINAL FORM FACTOR: 2 is 3.5 inch, 3 is 2.5 inch
	FUAB         bool  // SYNCHRONIZE CACHE and FUA reach non-volatile cache only
	VBULS        bool  // VERIFY works on unmapped blocks
}

// ParseBlockDeviceCharacteristics reads page B1h (SBC-3, section 6.6.2).
func ParseBlockDeviceCharacteristics(b []byte) (BlockDeviceCharacteristics, error) {
	body, err := vpdBody(b, VPDBlockDeviceCharacteristic)
	if err != nil {
		return BlockDeviceCharacteristics{}, err
	}
	f := padded(body, 5)
	return BlockDeviceCharacteristics{
		RotationRate: binary.BigEndian.Uint16(f),
		ProductType:  f[2],
		FormFactor:   f[3] & 0x0f,
		FUAB:         f[4]&0x02 != 0,
		VBULS:        f[4]&0x01 != 0,
	}, nil
}

// Provisioning types (SBC-3, section 6.6.4).
const (
	ProvisioningFull     = 0 // fully provisioned, or not reported
	ProvisioningResource = 1
	ProvisioningThin     = 2
)

// LogicalBlockProvisioning is the Logical Block Provisioning page, B2h (SBC-3,
// section 6.6.4).
type LogicalBlockProvisioning struct {
	ThresholdExponent   uint8 // 2^n blocks are one threshold set; 0: no thresholds
	LBPU                bool  // UNMAP unmaps
	LBPWS               bool  // WRITE SAME (16) with UNMAP does
	LBPWS10             bool  // WRITE SAME (10) with UNMAP does
	LBPRZ               bool  // unmapped blocks read as zeroes
	Anchored            bool  // ANC_SUP
	ProvisioningType    uint8 // see ProvisioningFull
	ThresholdPercentage uint8 // of the soft threshold; 0 not reported
}

// ParseLogicalBlockProvisioning reads page B2h (SBC-3, section 6.6.4).
func ParseLogicalBlockProvisioning(b []byte) (LogicalBlockProvisioning, error) {
	body, err := vpdBody(b, VPDLogicalBlockProvisioning)
	if err != nil {
		return LogicalBlockProvisioning{}, err
	}
	f := padded(body, 4)
	return LogicalBlockProvisioning{
		ThresholdExponent: f[0],
		LBPU:              f[1]&0x80 != 0,
		LBPWS:             f[1]&0x40 != 0,
		LBPWS10:           f[1]&0x20 != 0,
		// SBC-4 widens LBPRZ to bits 4 to 2; there xx1b still means zeroes.
		LBPRZ:               f[1]&0x04 != 0,
		Anchored:            f[1]&0x02 != 0,
		ProvisioningType:    f[2] & 0x07,
		ThresholdPercentage: f[3],
	}, nil
}
