package upgrader

import (
	"os"
	"testing"
)

// PassAround sends a legacy through a socket and returns what arrives.
func PassAround(t *testing.T, document []byte, files map[string]*os.File) *Received {
	t.Helper()
	d, err := NewDocument()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Write(document); err != nil {
		t.Fatal(err)
	}
	files[documentFile] = d.File()
	socket, done, err := passSocket(files)
	if err != nil {
		t.Fatal(err)
	}
	in, err := receive(socket)
	done()
	if err != nil {
		t.Fatal(err)
	}
	return in
}
