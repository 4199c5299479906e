// Package config turns a configuration file of iscsifs into a validated Config.
//
// The file is TOML. Load reads it whole, reports everything that is wrong with
// it at once (Faults, each with its line and key), warns of what is merely
// unwise (Warning), and contacts nobody. It knows nothing of what the settings
// are for; example.toml beside this file shows all of them with their defaults.
//
// The shortest file that mounts something:
//
//	[[target]]
//	portals = ["192.0.2.7"]
//	iqn     = "iqn.2001-04.com.example:disk1"
//
// The tables:
//
//	[initiator]    name and alias of this host
//	[session]      digests, timeouts, queue depth; [target.session] overrides it for one target
//	[cache]        size and behaviour of the cache; [target.cache] overrides all but the size
//	[[target]]     a target: portals and iqn, directory, luns, read_only, exclusive, required, login, interface
//	[target.chap]  its credentials; the mutual keys let the target prove itself too
//	[[discovery]]  log in to what a portal offers: portal and match, and most keys of a target
//	[mount]        mountpoint, owner and permissions of the files
//	[log]          level, format and file of the log
//	[metrics]      where Prometheus metrics are served
//
// The values:
//
//   - A portal is an IPv4 address, an IPv6 address in brackets or a DNS name,
//     with :PORT where that is not 3260.
//   - A duration has units: "500ms", "15s", "1h30m". Where "never" is possible,
//     the manual of the key says so.
//   - A size is in bytes or has a unit: "8MiB" is 8·1024², "8MB" is 8·1000².
//   - A password is a string, or a file named by password_file: relative to
//     the configuration file, or in $CREDENTIALS_DIRECTORY, where systemd puts
//     the credentials of a service. One newline at the file's end is cut off.
//
// # How it is built
//
// Each key of the file stands once, in a table of keys (schema.go and the other
// schema_*.go): its name, the kind of its value, its default, the field that
// takes it and its sentence for the manual. Reading, checking, defaults, hints,
// Config.WriteEffective and Tables all go by that table. The parser supplies
// values without lines; scanner.go finds those.
package config
