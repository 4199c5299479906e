package main

import (
	"os"
	"sync"
)

// logFile is a log in a file, which may be opened anew while it is written to:
// logrotate(8) renames it, and who sends SIGHUP wants the next line in a new one.
type logFile struct {
	path string

	mu   sync.Mutex // guards what follows
	file *os.File
}

func openLogFile(path string) (*logFile, error) {
	l := &logFile{path: path}
	return l, l.reopen()
}

// reopen goes on in the file that has the path now, and makes it if need be. After an
// error it goes on where it was.
func (l *logFile) reopen() error {
	file, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	l.mu.Lock()
	old := l.file
	l.file = file
	l.mu.Unlock()
	if old != nil {
		_ = old.Close() // nothing is buffered
	}
	return nil
}

// Write writes one line.
func (l *logFile) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(line)
}

func (l *logFile) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
