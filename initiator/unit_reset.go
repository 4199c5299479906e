package initiator

import "context"

// Reset is [Disk.Reset] through the path that speaks for the unit.
func (u *Unit) Reset(ctx context.Context) error { return u.disk().Reset(ctx) }
