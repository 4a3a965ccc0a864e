package upgrader

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// envCheck names the descriptor of the list of a legacy's files for a program that is
// asked by Check.
const envCheck = "RELEVO_LEGACY_CHECK"

// verdictFile is a pipe into which the program writes that it could take over. Exit
// status 0 is not enough: a program that knows nothing of Check exits with it, too.
const verdictFile = "verdict"

// Check runs the program as Exec would, with everything that it would get, to see whether
// it could take over.
func (p *InPlace) Check(l Legacy) error {
	seen, err := os.Stat(p.Path)
	if err == nil {
		err = p.rehearse(l)
	}
	if err != nil {
		return fmt.Errorf("cannot replace the master: %w", err)
	}
	p.checked = seen
	return nil
}

func (p *InPlace) rehearse(l Legacy) error {
	verdict, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer verdict.Close()
	defer theirs.Close()
	files := maps.Clone(l.Files)
	if files == nil {
		files = map[string]*os.File{}
	}
	files[verdictFile] = theirs
	list, err := p.open(Legacy{Document: l.Document, Files: files})
	if err != nil {
		return err
	}
	err = p.run(list.fd)
	list.close()
	theirs.Close()
	if err != nil {
		return err
	}
	if said, _ := io.ReadAll(verdict); len(said) == 0 {
		return fmt.Errorf("%s does not say that it can take over; an older relevo cannot: stop this master and "+
			"start that one", p.Path)
	}
	return nil
}

// run runs the program to its end.
func (p *InPlace) run(list int) error {
	patience := p.Patience
	if patience == 0 {
		patience = time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var said []byte
	err := onceWritten(func() (err error) {
		check := exec.CommandContext(ctx, p.Path)
		check.Args = p.Args
		check.Env = append(environWithout(envCheck), fmt.Sprintf("%s=%d", envCheck, list))
		// A group of its own, so that it ends as a whole.
		check.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		check.Cancel = func() error { return unix.Kill(-check.Process.Pid, unix.SIGKILL) }
		check.WaitDelay = time.Second
		said, err = check.CombinedOutput()
		return err
	})
	if ctx.Err() != nil {
		return fmt.Errorf("%s does not answer within %s", p.Path, patience)
	}
	if err != nil {
		return fmt.Errorf("%s could not take over: %w%s", p.Path, err, lastWords(said))
	}
	return nil
}

func lastWords(said []byte) string {
	const most = 500
	if len(said) == 0 {
		return ""
	}
	return "\n  it says: " + string(said[max(0, len(said)-most):])
}

// sameProgram says whether the path holds what was checked.
func (p *InPlace) sameProgram() error {
	if p.checked == nil {
		return nil
	}
	now, err := os.Stat(p.Path)
	if err == nil && (!os.SameFile(now, p.checked) || now.Size() != p.checked.Size() ||
		!now.ModTime().Equal(p.checked.ModTime())) {
		err = fmt.Errorf("%s was replaced after it was checked; try again", p.Path)
	}
	return err
}

// BeforeExec returns the legacy that Check passes to this program, nil if this is no
// check. Approve answers.
func BeforeExec() (*Received, error) {
	number := os.Getenv(envCheck)
	if number == "" {
		return nil, nil
	}
	os.Unsetenv(envCheck)
	fds, err := readList(number)
	if err != nil {
		return nil, fmt.Errorf("cannot read the legacy that is shown (%s=%s): %w", envCheck, number, err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
	}
	if err := roomBeside(len(fds)); err != nil {
		return nil, err
	}
	return newReceived(fds)
}

// Approve tells the master that runs Check that this program could take over.
func (in *Received) Approve() error {
	verdict, err := in.File(verdictFile)
	if err != nil {
		return err
	}
	defer verdict.Close()
	_, err = verdict.WriteString("yes")
	return err
}

// filesToWork is what a master opens to start a worker, and some more.
const filesToWork = 32

// roomBeside says whether this process may open more files beside the n that it gets over
// the exec: those stay open whatever the limit is.
func roomBeside(n int) error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("cannot find the limit of open files: %w", err)
	}
	if need := uint64(n + filesToWork); limit.Cur < need {
		return fmt.Errorf("cannot work with %d open files (RLIMIT_NOFILE): %d are needed; look at what starts relevo",
			limit.Cur, need)
	}
	return nil
}

// ReadCheck returns the document on descriptor 3, which is how masters of older relevos
// ask whether this program could take over.
func ReadCheck() ([]byte, error) {
	document := openDocument(3)
	defer document.Close()
	content, err := document.Read()
	if err != nil {
		return nil, fmt.Errorf("cannot read the document on descriptor 3: %w", err)
	}
	return content, nil
}
