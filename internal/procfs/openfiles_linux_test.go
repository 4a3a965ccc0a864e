package procfs

import (
	"os"
	"testing"
)

// TestOpenFiles: each descriptor that is opened counts.
func TestOpenFiles(t *testing.T) {
	before, err := Self.OpenFiles()
	if err != nil {
		t.Fatal(err)
	}
	var files []*os.File
	for range 3 {
		file, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files = append(files, file)
	}
	if after, err := Self.OpenFiles(); err != nil || after != before+len(files) {
		t.Errorf("%d descriptors are open, %v; before there were %d", after, err, before)
	}
}
