package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

// appProgram is package test/app, built when the first test needs a release. It is a separate
// program because relevo reads, hashes and copies each release, and the test binary is five times as
// large.
var appProgram = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "relevo-test-app-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "app")
	args := []string{"build", "-buildvcs=false", "-ldflags=-s -w", "-o", path}
	if raceDetector {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "./test/app")...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("cannot build the app of the tests: %w\n%s", err, out)
	}
	return os.ReadFile(path)
})

// writeRelease puts a release of the app in place by rename.
func writeRelease(path, version, behaviour string) error {
	program, err := appProgram()
	if err != nil {
		return err
	}
	if err := writePieces(path+".new", program, fmt.Appendf(nil, "\n#behaviour %s %s\n", version, behaviour)); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// writePieces writes a program that is made of two pieces, without a third copy of the first in memory.
func writePieces(path string, first, last []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o755)
	if err != nil {
		return err
	}
	_, errFirst := file.Write(first)
	_, errLast := file.Write(last)
	return errors.Join(errFirst, errLast, file.Close())
}
