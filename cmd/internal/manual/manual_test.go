package manual

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/config"
)

// page writes a page of a program.
func page(t *testing.T, name string, root *cobra.Command) string {
	t.Helper()
	var out strings.Builder
	if err := Write(&out, name, root, "1.2"); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func exampleProgram() *cobra.Command {
	root := &cobra.Command{Use: "iscsifs", Long: "It does *things*."}
	pet := &cobra.Command{Use: "pet ANIMAL", Short: "Pet", Long: "pet is kind to [animals]:\n  cat   softly\n  dog   firmly\nAnd so on.",
		Example: "  iscsifs pet --soft cat", Run: func(*cobra.Command, []string) {}}
	pet.Flags().BoolP("soft", "s", false, "with both_hands")
	pet.Flags().String("with", "", "a `TOOL` to use")
	pet.Flags().CountP("more", "m", "again")
	root.AddCommand(pet, &cobra.Command{Use: "secret", Hidden: true, Run: func(*cobra.Command, []string) {}})
	return root
}

func TestProgramPage(t *testing.T) {
	got := page(t, "iscsifs.8", exampleProgram())
	for _, want := range []string{
		"# iscsifs 8 \"\" \"iscsifs 1.2\"",
		"**iscsifs pet** \\[OPTIONS\\] ANIMAL",
		"It does \\*things\\*.",
		"### pet ANIMAL\n\npet is kind to \\[animals\\]:\n\n```\n  cat   softly\n  dog   firmly\n```\n\nAnd so on.\n\n",
		"**-s**, **--soft**\n: with both\\_hands\n",
		"**--with** *TOOL*\n: a TOOL to use\n",
		"**-m**, **--more**\n: again\n",
		"Example:\n\n```\n  iscsifs pet --soft cat\n```\n",
		"**5**\n: in use",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("there is no\n%s\nin\n%s", want, got)
		}
	}
	if strings.Contains(got, "secret") {
		t.Error("a hidden command is shown")
	}
}

// Every table of the configuration has a section, and every key an item in it, or is
// named with where it is described.
func TestConfigurationPage(t *testing.T) {
	got := page(t, "iscsifs.toml.5", exampleProgram())
	for _, table := range config.Tables() {
		_, section, found := strings.Cut(got, "\n### "+escape(table.Header())+"\n")
		if !found {
			t.Errorf("there is no section %s", table.Header())
			continue
		}
		section, _, _ = strings.Cut(section, "\n#")
		for _, k := range table.Keys {
			if !k.IsTable() && !strings.Contains(section, strong(k.Name)) {
				t.Errorf("no %s in %s", k.Name, table.Header())
			}
		}
	}
	if want := "**queue\\_depth**\n: Commands in flight per LUN. (an integer from 1 to 1024; default 64)\n"; !strings.Contains(got, want) {
		t.Errorf("there is no\n%s", want)
	}
	if !strings.Contains(got, config.Example) {
		t.Error("the example is missing")
	}
}

func TestUnknownPage(t *testing.T) {
	if err := Write(&strings.Builder{}, "other.1", exampleProgram(), ""); err == nil {
		t.Error("there is a page other.1")
	}
}
