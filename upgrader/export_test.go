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

// AwaitLooker waits until no goroutine looks at the listeners any more.
func AwaitLooker(u *Upgrader) { u.looker.gone.Wait() }

// Locked calls do while u is locked and so can do nothing.
func Locked(u *Upgrader, do func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	do()
}

// RetireByDecoy is Retire on a kernel that permits no filter.
func RetireByDecoy(u *Upgrader, l *Listener) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	l.standing = retired
	u.keepOut(l, l.divert)
	return nil
}

// EndDecoy closes the decoy of a listener, as the end of the master does.
func EndDecoy(l *Listener) {
	l.decoy.Close()
	l.decoy = nil
}
