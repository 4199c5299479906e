package integration

import (
	"bytes"
	"io"
	"os"
	"testing"
)

// TestSparseImage copies images with holes onto a LUN that is full of 0xFF:
// the holes must read as zeroes there, whoever copies.
func TestSparseImage(t *testing.T) {
	for name, copyImage := range map[string]string{
		"cp":        `cp "$1" "$2"`,
		"cp-sparse": `cp --sparse=always "$1" "$2"`,
		"cp-never":  `cp --sparse=never "$1" "$2"`,
		"tar":       `tar -C "${1%/*}" -cSf image.tar lun1; tar -C "${2%/*}" --overwrite -xSf image.tar`,
	} {
		t.Run(name, func(t *testing.T) { testSparse(t, copyImage, 32*mib) })
	}
}

// TestSparseImageShorterThanLUN: what lies behind the image stays as it was.
func TestSparseImageShorterThanLUN(t *testing.T) {
	testSparse(t, `cp --sparse=always "$1" "$2"`, 24*mib)
}

func testSparse(t *testing.T, copyImage string, size int64) {
	const capacity = 32 * mib
	needRoot(t)
	h := newHost(t)
	s := h.serve(nil, disk{size: capacity})
	full := bytes.Repeat([]byte{0xFF}, capacity)
	if err := os.WriteFile(s.backing[1], full, 0o600); err != nil {
		t.Fatal(err)
	}
	image := sparseImage(t, h, size)
	m := h.mount(s.config())
	h.sh(copyImage, image, m.lun(1))
	h.sh(`cmp -n "$3" "$1" "$2"`, image, m.lun(1), itoa(size))
	m.umount()
	got, err := os.ReadFile(s.backing[1])
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[:size], want) {
		t.Error("the backing file differs from the image")
	}
	if !bytes.Equal(got[size:], full[size:]) {
		t.Error("what lies behind the image was changed")
	}
}

// sparseImage makes a file named lun1 with data in a few places: holes at both
// ends, edges on no block's boundary.
func sparseImage(t *testing.T, h *host, size int64) string {
	t.Helper()
	if err := os.Mkdir(h.path("image"), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(h.path("image/lun1"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i, at := range []int64{4 * kib, 3*mib + 513, 11 * mib, size - 9*mib - 1} {
		if _, err := io.Copy(io.NewOffsetWriter(f, at), io.LimitReader(noise(uint64(i)), 300*kib+7)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}
