package apps

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"relevo/internal/safefile"
)

// openOutput opens the file for the output of a detached master and its workers.
func openOutput(dir string) (*os.File, error) {
	if err := safefile.MkdirAll(dir, 0o755, 0o700); err != nil {
		return nil, err
	}
	return os.OpenFile(filepath.Join(dir, "current"), os.O_RDWR|os.O_CREATE|os.O_APPEND|unix.O_NOFOLLOW, 0o600)
}

// maxTail is how much output of a failed start is quoted, in bytes and lines.
const (
	maxTail      = 16 << 10
	maxTailLines = 40
)

// tailFrom returns the last lines that a file got after an offset.
func tailFrom(file *os.File, from int64) []string {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size <= from {
		return nil
	}
	start := max(from, size-maxTail)
	text := make([]byte, size-start)
	n, err := file.ReadAt(text, start)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	lines := strings.Split(strings.TrimRight(string(text[:n]), "\n"), "\n")
	return lines[max(0, len(lines)-maxTailLines):]
}
