package cli

import (
	"strconv"
	"strings"
	"testing"

	"relevo/internal/procfs"
)

// TestForget: less of the program's file counts as resident, and the program keeps running.
func TestForget(t *testing.T) {
	resident := func() int {
		text, err := procfs.Self.Status("RssFile")
		if err != nil {
			t.Fatal(err)
		}
		kib, err := strconv.Atoi(strings.TrimSuffix(text, " kB"))
		if err != nil {
			t.Fatal(err)
		}
		return kib
	}
	before := resident()
	forget(procfs.ProgramMappings())
	if after := resident(); after > before*3/4 {
		t.Errorf("%d KiB of files are resident, before %d KiB", after, before)
	}
}
