// Package integration tests the iscsifs binary as its users run it: against
// tgt, a target that others wrote, with the real FUSE, loop device, ext4 and
// xfs of the kernel, and with libiscsi and qemu as second opinions.
//
// The test files are the whole package. How the house is laid out:
//
//	main_test.go       builds the binary once, clears up after an interrupt
//	host_test.go       what one test sees of the machine; runs commands
//	binary_test.go     runs iscsifs and checks exit code and message
//	config_test.go     writes configurations
//	mount_test.go      mounts, unmounts
//	tgt_test.go        targets to mount from
//	scripted_test.go   a target in this process, that misbehaves on request
//	wiretap_test.go    a proxy that notes the SCSI commands passing by
//	proxy              the proxy itself: it delays, falls silent, cuts
//	loop_test.go       loop devices and file systems on them
//	fio_test.go        load, and data that tells whether it is right
//	user_test.go       a user without privileges
//	long_test.go       how long the tests of faults last
//	leak_test.go       finds and removes what a test left behind
//	must_run_test.go   skips with a reason, except what CI says must run
//
// All other files are tests, one subject each. They need root, /dev/fuse and
// the Debian packages that install-deps installs, and skip with a reason where
// something is missing, unless ISCSIFS_MUST_RUN names them.
package integration
