package config

import "os"

// Load reads and validates the configuration file at path. Its error is of
// type Faults: everything that is wrong, or one Fault of line 0 where the file
// cannot be read.
func Load(path string) (*Config, []Warning, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, nil, Faults{{File: path, Message: err.Error()}}
	}
	return nil, nil, Faults{{File: path, Message: "not built yet"}}
}
