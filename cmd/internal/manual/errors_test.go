package manual

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write what is generated of the documentation anew")

// errorsPage is documentation, of which the part between two lines is generated.
const (
	errorsPage = "../../iscsifs/docs/errors.md"
	tableBegin = "<!-- The table is written by: go test ./cmd/internal/manual -update -->\n"
	tableEnd   = "<!-- End of the table. -->\n"
)

// TestErrorsPage: the page says what the program does.
func TestErrorsPage(t *testing.T) {
	text, err := os.ReadFile(errorsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(text), tableBegin)
	documented, after, ends := strings.Cut(rest, tableEnd)
	if !found || !ends {
		t.Fatalf("%s has no lines %q and %q", errorsPage, tableBegin, tableEnd)
	}
	if *update {
		if err := os.WriteFile(errorsPage, []byte(before+tableBegin+ErrorTable()+tableEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(documented, ErrorTable()); diff != "" {
		t.Errorf("%s differs from the program (-page +program):\n%s", errorsPage, diff)
	}
}

// The rows that the contract with users names.
func TestErrorTable(t *testing.T) {
	table := ErrorTable()
	for _, want := range []string{
		"| RESERVATION CONFLICT | fails | EBADE |",
		"| 07/27/07 DATA PROTECT, SPACE ALLOCATION FAILED WRITE PROTECT | fails | ENOSPC |",
		"| 07/27/xx DATA PROTECT, WRITE PROTECTED | fails | EROFS |",
		"| 03/xx/xx MEDIUM ERROR | fails | EIO |",
		"| 05/21/00 ILLEGAL REQUEST, LOGICAL BLOCK ADDRESS OUT OF RANGE | fails | ENOSPC |",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("there is no row %s", want)
		}
	}
}
