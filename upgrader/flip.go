package upgrader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cloudflare/tableflip"
)

// Flip is the succession by tableflip: a new process of this program's binary is
// started beside the old one, and only when it is ready the old one ends. There is
// one a process.
//
// The legacy travels as one file of tableflip's table, a socket with all other
// files in it: files in the table itself would be polled by the Go runtime, and a
// listening socket that is polled wakes the master at every connection.
type Flip struct {
	table *tableflip.Upgrader
}

// legacyFile is the name in tableflip's table.
const legacyFile = "legacy"

// documentFile is the name of the document among the files.
const documentFile = "document"

// NewFlip prepares for successions. In a process that another master has started as
// its successor it also returns the legacy, nil in every other. Of a new process
// that is not Ready within the patience, which is a minute where it is 0, nothing
// comes of it.
func NewFlip(patience time.Duration) (*Flip, *Inheritance, error) {
	table, err := tableflip.New(tableflip.Options{UpgradeTimeout: patience})
	if err != nil {
		return nil, nil, fmt.Errorf("cannot prepare the succession: %w", err)
	}
	f := &Flip{table}
	// What the successor was started with must not reach anybody else.
	os.Unsetenv("TABLEFLIP_HAS_PARENT_7DIU3")
	if !table.HasParent() {
		return f, nil, nil
	}
	closeOnExec(3, 4) // tableflip's own pipes
	socket, err := table.File(legacyFile)
	if err == nil && socket == nil {
		err = errors.New("it has left nothing")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read the legacy of the master before: %w", err)
	}
	defer socket.Close()
	in, err := receive(socket)
	return f, in, err
}

// Ready tells the old master, if there is one, that it may end: this process goes
// on from here. It also allows successions of this one.
func (f *Flip) Ready() error { return f.table.Ready() }

// AwaitPredecessor returns when the old master is gone.
func (f *Flip) AwaitPredecessor(ctx context.Context) error { return f.table.WaitForParent(ctx) }

// Upgrade starts a successor and hands it the legacy. When it returns nil the
// successor goes on with everything, and this process must end without touching
// any of it. After an error everything is as before.
func (f *Flip) Upgrade(l Legacy) error {
	document, err := NewDocument()
	if err != nil {
		return err
	}
	defer document.Close()
	if err := document.Write(l.Document); err != nil {
		return err
	}
	files := map[string]*os.File{documentFile: document.File()}
	for name, file := range l.Files {
		files[name] = file
	}
	socket, done, err := passSocket(files)
	if err != nil {
		return err
	}
	defer done()
	if err := f.table.AddFile(legacyFile, socket); err != nil {
		return fmt.Errorf("cannot pass the legacy on: %w", err)
	}
	if err := f.table.Upgrade(); err != nil {
		f.empty()
		return fmt.Errorf("cannot replace the master: %w", err)
	}
	return nil
}

// empty takes the legacy out of the table, which cannot remove a file.
func (f *Flip) empty() {
	if null, err := os.Open(os.DevNull); err == nil {
		f.table.AddFile(legacyFile, null)
		null.Close()
	}
}

// Stop ends all of it; nobody succeeds this process any more.
func (f *Flip) Stop() { f.table.Stop() }
