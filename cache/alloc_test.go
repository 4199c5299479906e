//go:build !race

package cache

import "testing"

// TestNoAllocations is left out under the race detector, which makes pools
// forget on purpose.
func TestNoAllocations(t *testing.T) {
	v := open(t, newFakeDisk(t, 4096, 512), VolumeOptions{ReadAhead: 1 << 20})
	ctx, p := t.Context(), make([]byte, 64<<10)
	vec := make([][]byte, 0, 64)
	at := int64(0)
	for name, do := range map[string]func() error{
		"ReadAt":            func() error { _, err := v.ReadAt(ctx, p, 4096); return err },
		"ReadAt sequential": func() error { at = (at + 4096) % 65536; _, err := v.ReadAt(ctx, p[:4096], at); return err },
		"WriteAt":           func() error { _, err := v.WriteAt(ctx, p, 4096); return err },
		"WriteAt of a block": func() error {
			_, err := v.WriteAt(ctx, p[:4096], 8192)
			return err
		},
		"WriteAt unaligned": func() error { _, err := v.WriteAt(ctx, p, 1000); return err },
		"Read": func() error {
			vec, err := v.Read(ctx, 5000, 5000, vec)
			v.Release(vec)
			return err
		},
	} {
		if n := testing.AllocsPerRun(200, func() {
			if err := do(); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
