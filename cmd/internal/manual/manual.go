package manual

import (
	"embed"
	"fmt"
	"io"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/iscsifs/iscsifs/cmd/internal/exitcode"
	"github.com/iscsifs/iscsifs/config"
)

//go:embed *.md
var templates embed.FS

// Pages are the names of the man pages, as of their files.
var Pages = []string{"iscsifs.8", "iscsifs.toml.5"}

// Write writes the page of a name in Pages. root is the program with its commands;
// version stands at the foot of the page.
func Write(w io.Writer, page string, root *cobra.Command, version string) error {
	t, err := template.New(page+".md").Funcs(template.FuncMap{
		"version":   func() string { return version },
		"about":     func() string { return prose(root.Long) },
		"synopsis":  func() string { return synopsis(root) },
		"commands":  func() string { return commands(root) },
		"exitcodes": exitCodes,
		"tables":    func() string { return tables(config.Tables()) },
		"example":   func() string { return literal(config.Example) },
	}).ParseFS(templates, page+".md")
	if err != nil {
		return fmt.Errorf("there is no manual %s: %w", page, err)
	}
	return t.Execute(w, nil)
}

// exitCodes is a list of what each code means.
func exitCodes() string {
	text := ""
	for _, m := range exitcode.Meanings {
		text += term(strong(fmt.Sprint(m.Code)), escape(m.Text))
	}
	return text
}
