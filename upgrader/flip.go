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
	// previous is the pidfd of a predecessor that has not started this process; nil: there
	// is none.
	previous *os.File
}

// legacyFile is the name in tableflip's table.
const legacyFile = "legacy"

// Names of files that every legacy has, or that Flip adds.
const (
	documentFile = "document"
	talkFile     = "talk"
)

// NewFlip prepares for successions. In a process that another master has started as its
// successor it also returns the legacy, nil in every other. A new process that is not
// Ready within the patience (0 means a minute) is ended.
func NewFlip(patience time.Duration) (*Flip, *Received, error) {
	tableflipDir = "."
	table, err := tableflip.New(tableflip.Options{UpgradeTimeout: patience})
	tableflipDir = ""
	if err != nil {
		return nil, nil, fmt.Errorf("cannot prepare the succession: %w", err)
	}
	f := &Flip{table: table}
	// Processes that this one starts must not get these variables.
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
		return nil, nil, fmt.Errorf("cannot read the legacy of the previous master: %w", err)
	}
	defer socket.Close()
	in, err := receive(socket)
	if err == nil {
		f.talk, err = in.File(talkFile)
	}
	return f, in, err
}

// Ready tells the old master, if there is one, that it may end and this process takes
// over. From then on Upgrade may be called.
func (f *Flip) Ready() error {
	if f.talk != nil {
		if _, err := fmt.Fprintln(f.talk, os.Getpid()); err != nil {
			return fmt.Errorf("cannot tell the previous master: %w", err)
		}
	}
	err := f.table.Ready()
	f.ready = err == nil
	return err
}

// LastWord is what a master has said at its end.
type LastWord struct {
	Confirmed bool // it has ended as it should: Confirm
	Force     bool // the app is to be stopped by force
}

// AwaitPredecessor returns the last word of the old master when that has ended. It returns at
// once if there is no old master.
func (f *Flip) AwaitPredecessor(ctx context.Context) (LastWord, error) {
	if f.talk == nil {
		return LastWord{Confirmed: true}, nil
	}
	if err := f.table.WaitForParent(ctx); err != nil {
		return LastWord{}, fmt.Errorf("cannot wait for the end of the previous master: %w", err)
	}
	said, _ := io.ReadAll(f.talk)
	f.talk.Close()
	f.talk = nil
	force := string(said) == forcedConfirmation
	word := LastWord{Confirmed: force || string(said) == confirmation, Force: force}
	if !f.previousEnded() && !word.Confirmed {
		return LastWord{}, errors.New("cannot take over: the previous master keeps running")
	}
	return word, nil
}

// The last words of a master that has ended as it should.
const (
	confirmation       = "yours"
	forcedConfirmation = "yours, and stop by force"
)

// Upgrade starts a successor and passes it the legacy. When Upgrade has returned the
// successor's pid, the successor waits for Confirm, and this process must end without
// touching any of it. After an error everything is as before.
func (f *Flip) Upgrade(l Legacy) (pid int, err error) {
	files, talk, done, err := l.withTalk()
	if err != nil {
		return 0, err
	}
	pid, err = f.start(files, talk)
	done()
	if err != nil {
		talk.Close()
		return 0, err
	}
	f.talk = talk
	return pid, nil
}

// withTalk adds to the files of a legacy its document, and the successor's end of a new
// socket between the two masters. done closes what was made for it.
func (l Legacy) withTalk() (files map[string]*os.File, talk *os.File, done func(), err error) {
	document, err := NewDocument()
	if err != nil {
		return nil, nil, nil, err
	}
	if err := document.Write(l.Document); err != nil {
		document.Close()
		return nil, nil, nil, err
	}
	talk, theirs, err := talkPair()
	if err != nil {
		document.Close()
		return nil, nil, nil, fmt.Errorf("cannot replace the master: %w", err)
	}
	files = map[string]*os.File{documentFile: document.File(), talkFile: theirs}
	for name, file := range l.Files {
		files[name] = file
	}
	return files, talk, func() { document.Close(); theirs.Close() }, nil
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
	if err := onceWritten(f.upgradeTable); err != nil {
		f.empty()
		return 0, fmt.Errorf("cannot replace the master: %w", err)
	}
	// The successor wrote its pid before it reported that it was ready.
	_, err = fmt.Fscanln(talk, &pid)
	return pid, err
}

// Texts of errors of tableflip that have neither a type nor a name outside of it.
const (
	flipNotReady    = "process is not ready yet"
	flipParentLives = "parent hasn't exited"
)

// settlesIn is how long tableflip may take to notice what has happened already.
const settlesIn = 5 * time.Second

// upgradeTable tries again if tableflip has not noticed yet that this process is ready
// and its parent has ended: tableflip's loop handles such news and requests in any order,
// and learns of the parent's end later than WaitForParent. In that case it has started
// nothing, and it has no way to tell when it has noticed.
func (f *Flip) upgradeTable() (err error) {
	for deadline := time.Now().Add(settlesIn); ; time.Sleep(time.Millisecond) {
		err = f.table.Upgrade()
		unseen := err != nil && (err.Error() == flipNotReady || err.Error() == flipParentLives)
		if !unseen || !f.ready || time.Now().After(deadline) {
			return err
		}
	}
}

// Confirm tells the successor that everything is its own, that the service manager knows its pid,
// and whether to stop the app by force. It is the last call of this process.
func (f *Flip) Confirm(force bool) error {
	word := confirmation
	if force {
		word = forcedConfirmation
	}
	_, err := io.WriteString(f.talk, word)
	return err
}

// empty takes the legacy out of the table, which cannot remove a file.
func (f *Flip) empty() {
	if null, err := os.Open(os.DevNull); err == nil {
		f.table.AddFile(legacyFile, null)
		null.Close()
	}
}

// Stop closes everything; no successor can be started any more.
func (f *Flip) Stop() { f.table.Stop() }
