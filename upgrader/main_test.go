package upgrader_test

import (
	"os"
	"strings"
	"testing"

	"relevo/internal/testleft"
	"relevo/internal/testproc"
)

// tooLong is longer than anything here takes.
const tooLong = testproc.TooLong

func TestMain(m *testing.M) {
	if code, isChild := roles().Run(); isChild {
		os.Exit(code)
	}
	code := m.Run()
	os.Exit(testleft.Judge(code, testleft.Goroutines(), testleft.Sockets(), testleft.Children()))
}

func wantContains(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v\nwants %q", err, part)
		}
	}
}
