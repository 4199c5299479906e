package integration

import (
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// aioRead reads 4 KiB with io_submit(2) from a file opened with O_DIRECT and returns
// how much there was. It goes by the size that the kernel knows, as nothing else
// that a program does: FUSE asks for the size with every stat, seek and read.
func aioRead(t *testing.T, f *os.File, off int64) int64 {
	t.Helper()
	page, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(page)
	// struct iocb and struct io_event of linux/aio_abi.h; opcode 0 is IOCB_CMD_PREAD.
	iocb := &struct {
		data, keyFlags uint64
		opcode         uint16
		priority       int16
		fd             uint32
		buf, n         uint64
		off            int64
		reserved       uint64
		flags, event   uint32
	}{fd: uint32(f.Fd()), buf: uint64(uintptr(unsafe.Pointer(&page[0]))), n: 4096, off: off}
	var event struct {
		data, obj    uint64
		result, more int64
	}
	var queue uintptr
	call := func(number, a, b, c, d uintptr) {
		t.Helper()
		if _, _, errno := unix.Syscall6(number, a, b, c, d, 0, 0); errno != 0 {
			t.Fatal(errno)
		}
	}
	call(unix.SYS_IO_SETUP, 1, uintptr(unsafe.Pointer(&queue)), 0, 0)
	defer unix.Syscall(unix.SYS_IO_DESTROY, queue, 0, 0)
	call(unix.SYS_IO_SUBMIT, queue, 1, uintptr(unsafe.Pointer(&iocb)), 0)
	call(unix.SYS_IO_GETEVENTS, queue, 1, 1, uintptr(unsafe.Pointer(&event)))
	runtime.KeepAlive(iocb)
	return event.result
}
