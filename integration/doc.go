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
//	memory_group_test.go  processes that share little memory
//	fio_test.go        load, and data that tells whether it is right
//	user_test.go       a user without privileges
//	long_test.go       how long the tests of faults last
//	leak_test.go       finds and removes what a test left behind
//	must_run_test.go   skips with a reason, except what CI says must run
//	faulty_test.go     a mount for cells of the table in faults_test.go
//	heldstore_test.go  a disk for tgt that holds a write back
//
// All other files are tests, one subject each. They need root, /dev/fuse and
// the Debian packages that install-deps installs, and skip with a reason where
// something is missing, unless ISCSIFS_MUST_RUN names them.
//
// # What tgt lacks
//
// tgt was made by others, so that what it does is a second opinion. What it does not do,
// or cannot be told to, is tested at integration/target, against the words of the
// standard, here or in package initiator:
//
//	several R2Ts outstanding, unless told    initiator.TestR2TInAnyOrder initiator.TestR2TTooMany
//	data in any order                        initiator.TestR2TInAnyOrder initiator.TestDataIn
//	asynchronous messages                    initiator.TestAsyncLogout initiator.TestAsyncNegotiate initiator.TestAsyncTasksTerminated
//	Reject of what is right                  initiator.TestRejectEndsConnection initiator.TestRejectOfData
//	errors of the line                       initiator.TestDigestErrors initiator.TestCutAnywhere TestFaults
//	a window that closes or moves back       initiator.TestWindowClosed initiator.TestMaxCmdSNBackwards
//	text with the C bit, or F=0              initiator.TestTextContinues initiator.TestDiscover initiator.TestLoginRounds
//	redirection for good                     initiator.TestRedirect
//	CHAP with more than MD5                  initiator.TestCHAPLogin initiator.TestCHAPResponse
//	BUSY, TASK SET FULL, sense at will       initiator.TestAttentionAtEveryCommand initiator.TestFinalAnswers TestFaults
//	a volatile cache that is lost            TestPowerCutLosesNothing TestRestarts TestDurableWrites
//	another LUN behind the same number       TestAnotherLUNAfterLogin initiator.TestIdentityOfOthers
//	flat LUN addresses                       initiator.TestLUNForms
//	a LUN that hangs                         TestHungTarget
package integration
