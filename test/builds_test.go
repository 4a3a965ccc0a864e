package test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
)

// builds are releases that several tests use, by version.
var builds sync.Map

// removeBuilds removes the builds when all tests have ended.
func removeBuilds() {
	builds.Range(func(_, once any) bool {
		if dir, _ := once.(func() (string, error))(); dir != "" {
			os.RemoveAll(dir)
		}
		return true
	})
}

// releaseFiles makes the files of a release for this machine, once for all tests.
func releaseFiles(t *testing.T, version string) (dir string) {
	t.Helper()
	once, _ := builds.LoadOrStore(version, sync.OnceValues(func() (string, error) {
		dir, err := os.MkdirTemp("", "release")
		if err != nil {
			return "", err
		}
		return dir, buildRelease(dir, version)
	}))
	dir, err := once.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// testMaintainer is the maintainer in the packages that tests build.
const testMaintainer = "Tests <tests@relevo.invalid>"

// buildRelease runs the build program.
func buildRelease(out, version string) error {
	cmd := exec.Command("go", "run", "-C", "packaging", "./build", "-out", out, "-version", version,
		"-maintainer", testMaintainer, "-targets", "linux/"+runtime.GOARCH)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("the build of %s: %w\n%s", version, err, said)
	}
	return nil
}

// unpack is tar -x of a file of a release.
func unpack(t *testing.T, archive, into string) {
	t.Helper()
	if out, err := exec.Command("tar", "-xf", archive, "-C", into).CombinedOutput(); err != nil {
		t.Fatalf("tar of %s: %v\n%s", archive, err, out)
	}
}
