package upgrader

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	ready bool // Ready was called
	// talk is the socket to the other master: in a successor to its predecessor, and
	// after Upgrade to the successor.
	talk *os.File
}

// legacyFile is the name in tableflip's table.
const legacyFile = "legacy"

// Names of files that every legacy has, or that Flip adds.
const (
	documentFile = "document"
	talkFile     = "talk"
)

// NewFlip prepares for successions. In a process that another master has started as
// its successor it also returns the legacy, nil in every other. Of a new process
// that is not Ready within the patience, which is a minute where it is 0, nothing
// comes of it.
func NewFlip(patience time.Duration) (*Flip, *Inheritance, error) {
	tableflipDir = "."
	table, err := tableflip.New(tableflip.Options{UpgradeTimeout: patience})
	tableflipDir = ""
	if err != nil {
		return nil, nil, fmt.Errorf("cannot prepare the succession: %w", err)
	}
	f := &Flip{table: table}
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
	if err == nil {
		f.talk, err = in.File(talkFile)
	}
	return f, in, err
}

// Ready tells the old master, if there is one, that it may end: this process goes
// on from here. It also allows successions of this one.
func (f *Flip) Ready() error {
	if f.talk != nil {
		if _, err := fmt.Fprintln(f.talk, os.Getpid()); err != nil {
			return fmt.Errorf("cannot tell the master before: %w", err)
		}
	}
	err := f.table.Ready()
	f.ready = err == nil
	return err
}

// AwaitPredecessor returns when the old master is gone, and says whether it came to
// Confirm. Without one it returns at once.
func (f *Flip) AwaitPredecessor(ctx context.Context) (confirmed bool, err error) {
	if f.talk == nil {
		return true, nil
	}
	if err := f.table.WaitForParent(ctx); err != nil {
		return false, fmt.Errorf("cannot wait for the end of the master before: %w", err)
	}
	word, _ := io.ReadAll(f.talk)
	f.talk.Close()
	f.talk = nil
	return string(word) == confirmation, nil
}

// confirmation is the last word of a master that has ended as it should.
const confirmation = "yours"

// Upgrade starts a successor and hands it the legacy. When it returns the
// successor's pid, that one goes on with everything, and this process must end
// without touching any of it. After an error everything is as before.
func (f *Flip) Upgrade(l Legacy) (pid int, err error) {
	document, err := NewDocument()
	if err != nil {
		return 0, err
	}
	defer document.Close()
	if err := document.Write(l.Document); err != nil {
		return 0, err
	}
	talk, theirs, err := talkPair()
	if err != nil {
		return 0, fmt.Errorf("cannot replace the master: %w", err)
	}
	files := map[string]*os.File{documentFile: document.File(), talkFile: theirs}
	for name, file := range l.Files {
		files[name] = file
	}
	pid, err = f.start(files, talk)
	theirs.Close()
	if err != nil {
		talk.Close()
		return 0, err
	}
	f.talk = talk
	return pid, nil
}

func (f *Flip) start(files map[string]*os.File, talk *os.File) (pid int, err error) {
	socket, done, err := passSocket(files)
	if err != nil {
		return 0, err
	}
	defer done()
	if err := f.table.AddFile(legacyFile, socket); err != nil {
		return 0, fmt.Errorf("cannot pass the legacy on: %w", err)
	}
	if err := f.upgradeTable(); err != nil {
		f.empty()
		return 0, fmt.Errorf("cannot replace the master: %w", err)
	}
	// It said so before it was ready.
	_, err = fmt.Fscanln(talk, &pid)
	return pid, err
}

// Texts of errors of tableflip that have neither a type nor a name outside of it.
const (
	flipNotReady    = "process is not ready yet"
	flipParentLives = "parent hasn't exited"
)

// settlesIn is how long tableflip may take to see what is so already.
const settlesIn = 5 * time.Second

// upgradeTable asks again where tableflip has not seen yet that this process is ready
// and its parent gone: its loop takes such news and requests in any order, and hears
// of the parent's end after WaitForParent does. Nothing has been started then, and
// nothing tells when it has seen it.
func (f *Flip) upgradeTable() (err error) {
	for deadline := time.Now().Add(settlesIn); ; time.Sleep(time.Millisecond) {
		err = f.table.Upgrade()
		unseen := err != nil && (err.Error() == flipNotReady || err.Error() == flipParentLives)
		if !unseen || !f.ready || time.Now().After(deadline) {
			return err
		}
	}
}

// Confirm tells the successor that everything is its own: also whoever started this
// process knows. It is the last that this process does.
func (f *Flip) Confirm() error {
	_, err := io.WriteString(f.talk, confirmation)
	return err
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
