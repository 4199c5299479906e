package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"

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
	log.end()
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "a word") || !strings.Contains(stderr.String(), "a word") {
		t.Errorf("the file has %q (%v), stderr %q", text, err, stderr.String())
	}
	if want := "stderr and " + path; log.place != want {
		t.Errorf("status shows %q, want %q", log.place, want)
	}
}

// fileLog is a log in a file of its own, which ends with the test.
func fileLog(t *testing.T, level config.LogLevel) (*daemonLog, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "iscsifs.log")
	log, err := (&program{stderr: io.Discard}).openLog(&config.Log{Level: level, Format: config.LogJSON, File: path}, false)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { zerolog.SetGlobalLevel(zerolog.TraceLevel) })
	return log, path
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestLogRotation: what is logged after the log was opened anew is in the new file, and
// all before in the old one.
func TestLogRotation(t *testing.T) {
	log, path := fileLog(t, "info")
	defer log.end()
	log.Info().Msg("before")
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	log.Info().Msg("between")
	if err := log.reopen(); err != nil {
		t.Fatal(err)
	}
	log.Info().Msg("after")
	old, now := read(t, path+".1"), read(t, path)
	if !strings.Contains(old, "before") || !strings.Contains(old, "between") || strings.Contains(old, "after") {
		t.Errorf("the old file has %q", old)
	}
	if !strings.Contains(now, "after") || strings.Contains(now, "between") {
		t.Errorf("the new file has %q", now)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if log.reopen() == nil {
		t.Error("a directory is opened as a log")
	}
	log.Info().Msg("nowhere") // into the file that was removed, and no panic
}

// TestLogFlood: a thousand lines alike are ten and their number; others are not touched.
func TestLogFlood(t *testing.T) {
	log, path := fileLog(t, "info")
	for i := range 1000 {
		log.Warn().Int("lun", i).Msg("the LUN is away")
	}
	log.Info().Msg("another word")
	log.end()
	text := read(t, path)
	if n := strings.Count(text, `"message":"the LUN is away"`); n != floodLines {
		t.Errorf("%d lines of a flood, want %d", n, floodLines)
	}
	if !strings.Contains(text, `{"level":"warn","lines":990,`) || !strings.Contains(text, "alike") {
		t.Errorf("nothing says how many were left out:\n%s", text)
	}
	if strings.Count(text, "another word") != 1 {
		t.Errorf("a single line is not there:\n%s", text)
	}
}

// Who asks for debug, at first or live, gets everything.
func TestDebugLogIsWhole(t *testing.T) {
	log, path := fileLog(t, "info")
	log.Debug().Msg("unheard")
	log.level.Set(config.LogDebug)
	for range 100 {
		log.Warn().Msg("all of it")
	}
	log.level.Set(config.LogError)
	log.Warn().Msg("unheard")
	log.end()
	text := read(t, path)
	if n := strings.Count(text, "all of it"); n != 100 || strings.Contains(text, "unheard") {
		t.Errorf("%d lines, want 100:\n%s", n, text)
	}
}
