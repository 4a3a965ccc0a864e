package cli

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"testing"
)

// TestStaleSocket: completion does not offer the socket of a killed master, and deleting the app
// removes it.
func TestStaleSocket(t *testing.T) {
	rememberedWeb(t)
	for _, name := range []string{"gone", "web"} {
		listener, err := net.Listen("unix", controlSocket(name))
		if err != nil {
			t.Fatal(err)
		}
		listener.(*net.UnixListener).SetUnlinkOnClose(false)
		listener.Close()
	}
	if _, out, _ := command(t, "__complete", "status", ""); out != "web\n:4\n" {
		t.Errorf("the shell completes to\n%s", out)
	}
	if code, _, said := command(t, "delete", "web"); code != 0 {
		t.Errorf("exit code %d: %s", code, said)
	}
	if _, err := os.Lstat(controlSocket("web")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is there: %v", err)
	}
	if _, out, _ := command(t, "__complete", "status", ""); out != ":4\n" {
		t.Errorf("after delete the shell completes to\n%s", out)
	}
}
