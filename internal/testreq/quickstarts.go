package testreq

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// QuickStarts spares what a machine adds to each start of the programs that tests start by the dozen, and TestMain
// calls it. Node reads the file of NODE_EXTRA_CA_CERTS whether it is needed or not: with the certificates of a whole
// distribution a start takes three times its processor time.
func QuickStarts() {
	if certificates := os.Getenv(nodeCertificates); certificates != "" {
		os.Setenv(keptCertificates, certificates)
		os.Unsetenv(nodeCertificates)
	}
	pastShims()
}

const (
	nodeCertificates = "NODE_EXTRA_CA_CERTS"
	keptCertificates = "KEPT_" + nodeCertificates
)

// Fetches has a program of Node that is not started yet trust the certificates that QuickStarts spares the others:
// behind some proxies it can fetch nothing without them.
func Fetches(program *exec.Cmd) {
	if certificates := os.Getenv(keptCertificates); certificates != "" {
		program.Env = append(program.Environ(), nodeCertificates+"="+certificates)
	}
}

// pastShims puts the directory of the real python3 first in PATH where a version manager has put a shell script
// in its place: such a script takes longer at each start than Python itself.
func pastShims() {
	shim, err := exec.LookPath("python3")
	if err != nil || !isScript(shim) {
		return
	}
	out, err := exec.Command(shim, "-c", "import sys; print(sys.executable)").Output()
	if python := strings.TrimSpace(string(out)); err == nil && filepath.IsAbs(python) {
		os.Setenv("PATH", filepath.Dir(python)+string(filepath.ListSeparator)+os.Getenv("PATH"))
	}
}

func isScript(path string) bool {
	file, err := os.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	head := make([]byte, 2)
	_, err = io.ReadFull(file, head)
	return err == nil && bytes.Equal(head, []byte("#!"))
}
