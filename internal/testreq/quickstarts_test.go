package testreq

import (
	"os"
	"os/exec"
	"slices"
	"testing"
)

// TestQuickStarts: the certificates are spared, but not for a program that fetches.
func TestQuickStarts(t *testing.T) {
	t.Setenv("PATH", os.Getenv("PATH")) // restores it
	t.Setenv(keptCertificates, "")
	t.Setenv(nodeCertificates, "/proxy.pem")
	QuickStarts()
	if got, set := os.LookupEnv(nodeCertificates); set {
		t.Errorf("each start reads %s", got)
	}
	fetches := exec.Command("npm", "install")
	Fetches(fetches)
	if !slices.Contains(fetches.Environ(), nodeCertificates+"=/proxy.pem") {
		t.Error("what fetches lacks the certificates")
	}
}
