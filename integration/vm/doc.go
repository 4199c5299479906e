// Package vm boots a virtual machine with a kernel of its own, for what the kernel
// below the tests lacks or must not be asked for: device mapper, all capabilities,
// a boot and a poweroff. It is QEMU without KVM, so that it runs everywhere, and
// takes some seconds to boot.
//
// The kernel and the root file system are Debian's (the script fetch). What a
// machine writes to its disk is forgotten; what it is to have, a test gives it as
// Files. It sees the host at the address Host, ports of the host's loopback device
// included, and obeys the test over a serial port (package shell).
package vm
