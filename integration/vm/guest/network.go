package main

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Addresses of QEMU's user network: the machine's own, and at 10.0.2.2 the host.
var (
	address = netip.MustParseAddr("10.0.2.15")
	netmask = netip.MustParseAddr("255.255.255.0")
)

// network gives the loopback device and the only card their addresses.
func network() error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	if err := up(s, "lo"); err != nil {
		return err
	}
	if err := awaitFile("/sys/class/net/eth0"); err != nil {
		return err
	}
	if err := setAddress(s, "eth0", unix.SIOCSIFADDR, address); err != nil {
		return err
	}
	if err := setAddress(s, "eth0", unix.SIOCSIFNETMASK, netmask); err != nil {
		return err
	}
	return up(s, "eth0")
}

func setAddress(s int, card string, what uint, a netip.Addr) error {
	r, err := unix.NewIfreq(card)
	if err != nil {
		return err
	}
	if err := r.SetInet4Addr(a.AsSlice()); err != nil {
		return err
	}
	return change(s, card, what, r)
}

func up(s int, card string) error {
	r, err := unix.NewIfreq(card)
	if err != nil {
		return err
	}
	r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return change(s, card, unix.SIOCSIFFLAGS, r)
}

func change(s int, card string, what uint, r *unix.Ifreq) error {
	if err := unix.IoctlIfreq(s, what, r); err != nil {
		return fmt.Errorf("%s: ioctl %#x: %w", card, what, err)
	}
	return nil
}
