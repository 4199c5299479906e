package initiator

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestVector compares a vector with the plain bytes that it stands for.
func TestVector(t *testing.T) {
	flat := make([]byte, 4096)
	for i := range flat {
		flat[i] = byte(i) ^ byte(i>>8)
	}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		v := newVector(cut(r, flat))
		if v.len != len(flat) {
			t.Fatalf("seed %d: length %d", seed, v.len)
		}
		for range 50 {
			from := r.IntN(len(flat))
			n := 1 + r.IntN(len(flat)-from)
			part := v.slice(from, n)
			if got := collect(&part, 0, n); !bytes.Equal(got, flat[from:from+n]) {
				t.Fatalf("seed %d: slice(%d, %d) differs", seed, from, n)
			}
			off := r.IntN(n)
			if got := collect(&part, off, n-off); !bytes.Equal(got, flat[from+off:from+n]) {
				t.Fatalf("seed %d: slice(%d, %d) from %d on differs", seed, from, n, off)
			}
		}
	}
}

// cut returns flat in buffers of random lengths, some of them empty.
func cut(r *rand.Rand, flat []byte) [][]byte {
	var bufs [][]byte
	for len(flat) > 0 {
		n := min(r.IntN(700), len(flat))
		bufs = append(bufs, flat[:n])
		flat = flat[n:]
	}
	return bufs
}

func collect(v *vector, off, n int) []byte {
	var all []byte
	for len(all) < n {
		all = append(all, v.at(off+len(all), n-len(all))...)
	}
	return all
}

func TestCover(t *testing.T) {
	var task task
	for _, c := range []struct {
		from, to int
		want     bool
	}{
		{100, 200, true}, {0, 100, true}, {0, 1, false}, {150, 160, false}, {199, 201, false},
		{300, 400, true}, {200, 300, true}, {250, 350, false}, {400, 401, true}, {399, 500, false},
	} {
		if got := task.cover(c.from, c.to); got != c.want {
			t.Errorf("cover(%d, %d) = %v", c.from, c.to, got)
		}
	}
}
