// Package manual writes the man pages iscsifs(8) and iscsifs.toml(5), in Markdown
// as go-md2man turns into roff.
//
// What a page says of commands, options, exit codes and keys is taken from where the
// program has it: the help of its commands, package exitcode and config.Tables. The
// rest is prose, in the templates iscsifs.8.md and iscsifs.toml.5.md.
package manual
