package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/iscsifs/iscsifs/config"
)

// Who stays in the foreground sees the log, also where it goes to a file.
func TestForegroundLog(t *testing.T) {
	var stderr bytes.Buffer
	p := &program{stderr: &stderr}
	path := filepath.Join(t.TempDir(), "iscsifs.log")
	log, err := p.openLog(&config.Log{Level: "info", Format: config.LogJSON, File: path}, true)
	if err != nil {
		t.Fatal(err)
	}
	log.Info().Msg("a word")
	if err := log.close(); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "a word") || !strings.Contains(stderr.String(), "a word") {
		t.Errorf("the file has %q (%v), stderr %q", text, err, stderr.String())
	}
	if want := "stderr and " + path; log.place != want {
		t.Errorf("status shows %q, want %q", log.place, want)
	}
}
