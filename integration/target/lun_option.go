package target

// Option sets an attribute of a LUN when it is made.
type Option func(*LUN)

// Number gives the LUN a number other than its place in the list.
func Number(n uint64) Option { return func(l *LUN) { l.number = &n } }

// Thin makes the LUN thinly provisioned: UNMAP and WRITE SAME with UNMAP
// deallocate, and unmapped blocks read as zeroes (LBPRZ).
func Thin() Option {
	return func(l *LUN) {
		l.LUNAttributes.Thin, l.ReadZeroes = true, true
		l.Limits.MaxUnmap, l.Limits.MaxUnmapDescriptors = 1<<20, 256
		l.Limits.MaxWriteSame = uint64(l.Limits.MaxTransfer)
		l.Limits.UnmapGranularity = uint32(max(granuleSize/l.BlockSize, 1))
	}
}

// ThinUndefined is Thin without LBPRZ: unmapped blocks read as 0xA5.
func ThinUndefined() Option {
	return func(l *LUN) {
		Thin()(l)
		l.ReadZeroes = false
	}
}

// ReadOnly write-protects the LUN.
func ReadOnly() Option { return func(l *LUN) { l.WriteProtected = true } }

// WriteCache gives the LUN a volatile write cache, see PowerCut.
func WriteCache() Option { return func(l *LUN) { l.LUNAttributes.WriteCache = true } }

// Identity sets vendor (at most 8 characters), product (16) and serial number.
func Identity(vendor, product, serial string) Option {
	return func(l *LUN) { l.Vendor, l.Product, l.Serial = vendor, product, serial }
}

// NAA sets the NAA designator, 16 or 32 hex digits; "-" leaves it out.
func NAA(hex string) Option { return func(l *LUN) { l.LUNAttributes.NAA = hex } }

// Limits sets what VPD page B0h reports. MaxTransfer and MaxWriteSame are
// enforced where they are not 0.
func Limits(b BlockLimits) Option { return func(l *LUN) { l.LUNAttributes.Limits = b } }

// DeviceType sets the peripheral device type of INQUIRY; 0 is a disk.
func DeviceType(t byte) Option { return func(l *LUN) { l.LUNAttributes.DeviceType = t } }

// Addressing makes the LUN appear, and answer, in one form of address only.
func Addressing(f AddressForm) Option { return func(l *LUN) { l.Form = f } }

// WithoutCachingPage leaves the caching page out of MODE SENSE.
func WithoutCachingPage() Option { return func(l *LUN) { l.NoCachingPage = true } }

// WithoutReservations makes PERSISTENT RESERVE IN and OUT unknown commands.
func WithoutReservations() Option { return func(l *LUN) { l.NoReservations = true } }

// WithoutRegistrantsOnly leaves the reservation types 5h to 8h out.
func WithoutRegistrantsOnly() Option { return func(l *LUN) { l.NoRegistrantsOnly = true } }

// WithoutAPTPL refuses reservations that survive a loss of power.
func WithoutAPTPL() Option { return func(l *LUN) { l.NoPowerLoss = true } }

// WithoutPreemptAndAbort refuses PREEMPT AND ABORT.
func WithoutPreemptAndAbort() Option { return func(l *LUN) { l.NoPreemptAndAbort = true } }

// SessionNexus takes a session for the I_T nexus, as tgt does: what was registered
// stays, and is not the next session's.
func SessionNexus() Option { return func(l *LUN) { l.LUNAttributes.SessionNexus = true } }

// WithoutSynchronize makes SYNCHRONIZE CACHE an unknown command.
func WithoutSynchronize() Option { return func(l *LUN) { l.NoSynchronize = true } }
