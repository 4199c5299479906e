package manual

import "strings"

// special are the characters that mean something to Markdown inside a line.
var special = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", `\<`, ">", `\>`, "|", `\|`, "&", `\&`, "~", `\~`)

// escape is text that Markdown prints as it is.
func escape(s string) string { return special.Replace(s) }

func strong(s string) string { return "**" + escape(s) + "**" }

func emphasis(s string) string { return "*" + escape(s) + "*" }

// term is an item of a list of definitions; both parts are Markdown, and the second
// is one paragraph.
func term(what, meaning string) string { return what + "\n: " + meaning + "\n\n" }

// literal is text that is printed line by line.
func literal(text string) string {
	return "```\n" + strings.TrimRight(text, "\n") + "\n```\n\n"
}

// prose turns the text of a help into paragraphs. Lines that are indented there are
// printed line by line.
func prose(text string) string {
	var out strings.Builder
	var block []string
	indented := false
	end := func() {
		joined := strings.Join(block, "\n")
		switch {
		case len(block) == 0:
		case indented:
			out.WriteString(literal(joined))
		default:
			out.WriteString(escape(joined) + "\n\n")
		}
		block = nil
	}
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if now := strings.HasPrefix(line, "  "); line == "" || now != indented {
			end()
			indented = now
		}
		if line != "" {
			block = append(block, line)
		}
	}
	end()
	return out.String()
}
