package imports

import (
	"os"
	"testing"

	"relevo/internal/testreq"
)

func TestMain(m *testing.M) {
	testreq.QuickStarts()
	os.Exit(m.Run())
}
