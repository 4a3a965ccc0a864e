package shim

import "syscall"

// The shim's words right before an exec. End-of-file after one of them means that the worker's
// own program runs. End-of-file without them means that the shim died. A failure after them means
// that the exec failed.
const (
	byDescriptor = 'x'
	byPath       = 'p' // instead of the other word, or after it
	failed       = '!' // the fields of a Failure follow
)

// Failure is why the shim could not exec.
type Failure struct {
	Step  string // what failed: "enter the directory", "run"
	Path  string
	Errno syscall.Errno
	// Advice is what a person can do about it, empty if Errno says enough.
	Advice string
}

func (f *Failure) Error() string {
	text := "cannot " + f.Step + " " + f.Path + ": " + f.Errno.Error()
	if f.Advice != "" {
		text += "; " + f.Advice
	}
	return text
}

// Unwrap lets errors.As find the error number.
func (f *Failure) Unwrap() error { return f.Errno }

// ran is the step that failed if the kernel refused the program.
const ran = "run"

// OfProgram says whether the exec itself failed: the kernel refused the program.
func (f *Failure) OfProgram() bool { return f.Step == ran }

func (f *Failure) fields(c *coder) {
	number := int(f.Errno)
	c.text(&f.Step)
	c.text(&f.Path)
	c.number(&number)
	c.text(&f.Advice)
	f.Errno = syscall.Errno(number)
}

func (f *Failure) bytes() []byte {
	c := coder{written: []byte{failed}}
	f.fields(&c)
	return c.written
}

// Answer is what has become of an order.
type Answer struct {
	Ran     bool     // the worker's own program runs, or has run
	ByPath  bool     // it was run by its path, not by an open file
	Failure *Failure // why it does not run; nil with Ran false: the shim has died
}

// ReadAnswer reads all that a shim has written on its channel, without what it says of the filter.
func ReadAnswer(said []byte) (a Answer) {
	for len(said) > 0 && (said[0] == byDescriptor || said[0] == byPath) {
		a.Ran, a.ByPath, said = true, said[0] == byPath, said[1:]
	}
	if len(said) == 0 || said[0] != failed {
		return a
	}
	a.Ran, a.Failure = false, new(Failure)
	a.Failure.fields(&coder{reading: true, rest: said[1:]})
	return a
}
