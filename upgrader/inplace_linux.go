package upgrader

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// envLegacy names the descriptor of the list of a legacy's files, after an exec in
// place; the numbers of signals that are owed follow it.
const envLegacy = "RELEVO_LEGACY"

// InPlace is the succession by exec: the process stays and runs another program. Its
// children remain its children, and a terminal or a parent that waits for it notices
// nothing. There is no way back after the exec, so Check comes first.
type InPlace struct {
	Path     string        // of the program
	Args     []string      // with its name first
	Patience time.Duration // of Check; default 1 min
	// HoldBack are the signals that wait for the new program to ask for them.
	HoldBack []syscall.Signal
	// Still is asked right before the exec; an error calls it off. Default: no.
	Still func() error
	// Owed returns signals that this program has received and the new one has to handle. It
	// is called after Still. Default: none.
	Owed func() []syscall.Signal

	checked os.FileInfo // of the program, when Check was content; nil: it was not asked
}

// Exec replaces this program by the new one with the legacy. Signals that arrive
// meanwhile wait for the new program. Exec returns only if it fails; then everything is
// as before, except that the signals of lethal are ignored.
func (p *InPlace) Exec(l Legacy) error {
	list, err := p.open(l)
	if err != nil {
		return fmt.Errorf("cannot replace the master: %w", err)
	}
	defer list.close()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := holdBack(p.HoldBack)
	if err != nil {
		return fmt.Errorf("cannot replace the master: cannot hold signals back: %w", err)
	}
	err = p.sameProgram()
	if err == nil {
		awaitTaken(p.HoldBack)
	}
	if err == nil && p.Still != nil {
		err = p.Still() // last: a signal that another thread takes after it goes unheard
	}
	if err == nil {
		signal.Ignore(lethal...)
		err = syscall.Exec(p.Path, p.Args, p.environ(list.fd))
	}
	unix.PthreadSigmask(unix.SIG_SETMASK, before, nil)
	return fmt.Errorf("cannot replace the master: cannot run %s: %w", p.Path, err)
}

// lethal are the signals that would end or stop a Go program in its first two
// milliseconds, although they are held back: the runtime lets the first two through at
// once, and the others before it has a handler. It leaves them ignored if it finds them
// so. Of SIGTERM and SIGQUIT it does neither: then they end it.
var lethal = []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTTIN, syscall.SIGTTOU}

// environ tells the new program the descriptor of the list, and the numbers of the owed
// signals. (Sending itself those signals would not work: a thread that does not block
// them would get them.)
func (p *InPlace) environ(list int) []string {
	text := strconv.Itoa(list)
	if p.Owed != nil {
		for _, sig := range p.Owed() {
			text += fmt.Sprintf(" %d", int(sig))
		}
	}
	return append(environWithout(envLegacy), envLegacy+"="+text)
}

func environWithout(name string) []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, name+"=") })
}

// inPlaceList are the descriptors that an exec keeps open.
type inPlaceList struct {
	fd  int // of a file that lists the others
	fds map[string]int
}

func (l *inPlaceList) close() {
	for _, fd := range l.fds {
		unix.Close(fd)
	}
	unix.Close(l.fd)
}

// lowestCopy leaves the standard streams and what Check adds to them alone.
const lowestCopy = 10

// open makes copies without close-on-exec: the originals keep theirs, should the
// exec fail.
func (p *InPlace) open(l Legacy) (list *inPlaceList, err error) {
	document, err := NewDocument()
	if err != nil {
		return nil, err
	}
	defer document.Close()
	if err := document.Write(l.Document); err != nil {
		return nil, err
	}
	files := maps.Clone(l.Files)
	if files == nil {
		files = map[string]*os.File{}
	}
	files[documentFile] = document.File()
	list = &inPlaceList{fd: -1, fds: map[string]int{}}
	err = withFDs(files, func(names []string, fds []int) error {
		for i, name := range names {
			copied, err := unix.FcntlInt(uintptr(fds[i]), unix.F_DUPFD, lowestCopy)
			if err != nil {
				return err
			}
			list.fds[name] = copied
		}
		return nil
	})
	if err == nil {
		list.fd, err = list.write()
	}
	if err != nil {
		list.close()
		return nil, err
	}
	return list, nil
}

func (l *inPlaceList) write() (fd int, err error) {
	text, err := json.Marshal(l.fds)
	if err != nil {
		return -1, err
	}
	file, err := memoryFile("relevo files")
	if err != nil {
		return -1, err
	}
	defer file.Close()
	if _, err := file.WriteAt(text, 0); err != nil {
		return -1, err
	}
	return unix.FcntlInt(file.Fd(), unix.F_DUPFD, lowestCopy)
}

// IsAfterExec says whether this program has replaced another one in its process, as
// long as AfterExec has not been called.
func IsAfterExec() bool { return os.Getenv(envLegacy) != "" }

// AfterExec returns the legacy that this process had before it became this
// program, nil where it was nothing else.
func AfterExec() (*Received, error) {
	text := os.Getenv(envLegacy)
	if text == "" {
		return nil, nil
	}
	os.Unsetenv(envLegacy)
	number, owed, _ := strings.Cut(text, " ")
	fds, err := readList(number)
	if err != nil {
		return nil, fmt.Errorf("cannot read the legacy of the previous master (%s=%s): %w", envLegacy, text, err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	in, err := newReceived(fds)
	for field := range strings.FieldsSeq(owed) {
		if sig, noNumber := strconv.Atoi(field); noNumber == nil && in != nil {
			in.Owed = append(in.Owed, syscall.Signal(sig))
		}
	}
	return in, err
}

func readList(number string) (map[string]int, error) {
	fd, err := strconv.Atoi(number)
	if err != nil || fd < 3 {
		return nil, errors.New("it names no file")
	}
	list := os.NewFile(uintptr(fd), "list of the legacy")
	if list == nil {
		return nil, errors.New("it names no file")
	}
	defer list.Close()
	text, err := io.ReadAll(io.NewSectionReader(list, 0, math.MaxInt64))
	fds := map[string]int{}
	if jsonErr := json.Unmarshal(text, &fds); jsonErr != nil {
		return nil, errors.Join(jsonErr, err)
	}
	return fds, nil
}
