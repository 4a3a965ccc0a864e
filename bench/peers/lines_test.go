package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relevo/bench/lines"
)

func aLine(number int) []byte {
	return fmt.Appendf(nil, "%09d%s\n", number, strings.Repeat("x", lines.Bytes-10))
}

func zipped(t *testing.T, text []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	z.Write(text)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func writeFile(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCountLines(t *testing.T) {
	dir := t.TempDir()
	text := func(from, to int) (all []byte) {
		for i := from; i < to; i++ {
			all = append(all, aLine(i)...)
		}
		return all
	}
	writeFile(t, filepath.Join(dir, "1.log.gz"), zipped(t, text(0, 10)))
	writeFile(t, filepath.Join(dir, "2.log"), text(8, 19)) // two of them twice, the last one not at all
	files := filepath.Join(dir, "*.log*")
	if there, err := countLines(files, 20); err != nil || there != 19 {
		t.Errorf("%d lines, %v; want 19", there, err)
	}
	if lastLineIn(files, 19) || !lastLineIn(files, 18) {
		t.Error("the last line is not recognised")
	}
}
