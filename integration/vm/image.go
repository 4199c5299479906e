package vm

import (
	"fmt"
	"os"
	"path/filepath"
)

// image is the directory that the script fetch makes.
type image string

// layout is the name of the image's directory, as in the script.
const layout = "vm-1"

func findImage() (image, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "iscsifs-test", layout)
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("no image of the virtual machine (integration/vm/fetch makes it): %w", err)
	}
	return image(dir), nil
}

func (i image) kernel() string { return filepath.Join(string(i), "vmlinuz") }
func (i image) root() string   { return filepath.Join(string(i), "root.ext4") }

// early are the modules that the initramfs loads, in this order.
func (i image) early() ([]string, error) {
	return filepath.Glob(filepath.Join(string(i), "early", "*.ko"))
}

// HaveImage tells why no machine can be booted here.
func HaveImage() error {
	_, err := findImage()
	return err
}
