package launch

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPipeInPlaceOfProgram: a respawn does not block on a pipe that has replaced the program.
func TestPipeInPlaceOfProgram(t *testing.T) {
	s := newShelf(t)
	putRelease(t, s.program, "v1")
	v1 := s.prepare(s.command())
	if err := errors.Join(os.Remove(s.program), unix.Mkfifo(s.program, 0o755)); err != nil {
		t.Fatal(err)
	}
	s.wantRuns(v1, s.copyOf("v1"), "v1")
}
