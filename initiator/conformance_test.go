// The areas that the UNH-IOL suite for initiators looks at in the full feature phase, by
// its numbers, and the tests that look at them here. Those of a package other than this
// one have its name before theirs. All of them assert what RFC 7143 says, against a peer
// that the test itself is (wire_peer_test.go) or the strict target of integration/target.
//
//	 1  CmdSN goes up by one              TestCmdSN TestCmdSNWrap
//	 2  immediate delivery                TestCmdSN TestOwnPing TestAbortOnWire TestResetOnWire
//	 3  window, MaxCmdSN                  TestWindowClosed TestWindowOfOne TestWindowLarge TestMaxCmdSNInAnyPDU TestWindowStaysClosed
//	 4  no retry on a connection (ERL 0)  TestErrorRecoveryLevelZero
//	 5  ExpStatSN gap, no SNACK (ERL 0)   TestErrorRecoveryLevelZero
//	 6  DataSN of Data-Out                TestR2TInAnyOrder target.TestStrictRules
//	 7  no task reassignment (ERL 0)      TestErrorRecoveryLevelZero TestAnswers TestTargetsOffers
//	 8  unsolicited data                  TestFirstBurstMatrix
//	 9  Target Transfer Tag               TestR2TInAnyOrder TestR2TOfParallelCommands TestFirstBurstMatrix
//	10  Data-In, status, A bit            TestDataIn TestAcknowledgeBit TestDataInForgotten
//	11  segments, F bit, Buffer Offset    TestFirstBurstMatrix TestR2TInAnyOrder TestDataIn TestTransferLengths
//	12  R2T: one, several, in any order   TestR2TInAnyOrder TestR2TOfParallelCommands TestR2TFaults TestR2TTooMany
//	13  SNACK is never sent (ERL 0)       TestErrorRecoveryLevelZero TestDataInFaults
//	14  logout on asynchronous event 1    TestAsyncLogout TestAsyncLogoutUnanswered
//	15  NOP, and ExpStatSN alone          TestPingAnswered TestOwnPing TestAsyncTasksTerminated TestStatSN
//	16  SCSI Command: fields, first burst TestCommandHeader TestFirstBurstMatrix
//	16.4 sense of the protocol, BUSY, …   TestAttentionAtEveryCommand TestFinalAnswers TestRejectOfData TestBusyForEver
//	16.5 zero window                      TestWindowClosed
//	16.6 Expected Data Transfer Length    TestFirstBurstMatrix TestCommandHeader target.TestStrictRules
//	17  logout                            TestLogoutOnWire TestLogoutRefused TestLogoutGhosts TestEndInEveryState
//	18  text, tags, negotiation reset     TestDiscoverNothing TestTextContinues TestOneTextAtATime TestAsyncNegotiate TestRejectOfText
//	19  task management                   TestCmdSN TestAbortOnWire TestResetOnWire TestReplay TestAbortOvertaken
//	20  asynchronous events 1 to 4        TestAsyncGoesOn TestAsyncLogout TestAsyncNegotiate TestTime2Wait
//
// ABORT TASK SET, CLEAR TASK SET and CLEAR ACA are not sent by this initiator.
//
// What that suite leaves out, and other initiators were found to do wrong:
//
//	F=0 before unsolicited data           TestFirstBurstMatrix
//	function codes of task management     TestAbortOnWire TestResetOnWire TestReplay
//	RefCmdSN                              TestAbortOnWire
//	C bit, logins of many PDUs            TestLoginRounds TestLoginLongRequest TestLoginReadsPiecewise
//	SendTargets of many PDUs              TestDiscover TestTextContinues
//	redirection 0101 and 0102             TestRedirect TestRedirectLoop TestRedirectRefused
//	additional header segments            TestDataIn pdu.TestAHS
//	padding and digests                   TestPaddingWithDigests TestFirstBurstMatrix TestTransferLengths
//	MaxCmdSN that goes backwards          TestMaxCmdSNBackwards
//	StatSN of R2T and of NOP-In           TestStatSN
//	iSCSI response other than 0           TestResponseNotZero
//	residual counts                       TestResidual TestWriteEndsEarly
//	PDUs split at every byte              TestSplitAtEveryByte TestLoginReadsPiecewise
//	tags of an earlier connection         TestStaleTag TestSlots
//	Irrelevant, NotUnderstood, Reject     TestAnswers TestLoginRounds
//	silence, then a new session           TestSilenceEndsConnection TestSilentTargetRecovers integration.TestSilentNetwork
//	unit attention at every command       TestAttentionAtEveryCommand TestAttentionsInARow TestAttentionOfNewNexus
//	flat LUNs                             TestLUNForms
//	Data-In beyond the expected length    TestDataInFaults
//	Reject, whose data has the tag        TestRejectEndsConnection TestRejectOfText TestRejectOfPing TestRejectOfAnotherKind
//	a connection cut anywhere             TestCutAnywhere TestCutAtControlPDUs TestLoginCutAtEveryByte integration.TestFaults
//	writes that outlive their connection  TestGhost integration.TestGhostWrite
package initiator

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestConformanceNames: the tests that this file's comment names exist.
func TestConformanceNames(t *testing.T) {
	have := map[string]bool{}
	for prefix, dir := range map[string]string{"": ".", "pdu.": "pdu", "target.": "../integration/target", "integration.": "../integration"} {
		for _, name := range testsIn(t, dir) {
			have[prefix+name] = true
		}
	}
	f, err := parser.ParseFile(token.NewFileSet(), "conformance_test.go", nil, parser.ParseComments|parser.PackageClauseOnly)
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`(\w+\.)?Test\w+`).FindAllString(f.Doc.Text(), -1)
	if len(named) < 50 {
		t.Fatalf("only %d tests are named", len(named))
	}
	for _, name := range named {
		if !have[name] {
			t.Errorf("there is no test %s", name)
		}
	}
}

// testsIn lists the tests of the package in a directory.
func testsIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s has no tests: %v", dir, err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}
