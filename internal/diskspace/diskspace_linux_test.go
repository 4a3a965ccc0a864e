package diskspace_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/diskspace"
	"relevo/internal/testreq"
)

// TestExplain fills a disk with bytes, and another with files.
func TestExplain(t *testing.T) {
	t.Parallel()
	for options, test := range map[string]struct {
		fill func(dir string, i int) error
		says string
	}{
		"size=64k,nr_inodes=1000": {func(dir string, i int) error {
			return os.WriteFile(filepath.Join(dir, fmt.Sprint(i)), make([]byte, 8192), 0o600)
		}, " is full (0 B free)"},
		"size=8m,nr_inodes=20": {func(dir string, i int) error {
			return os.Mkdir(filepath.Join(dir, fmt.Sprint(i)), 0o700)
		}, " has no inodes left (0 free, while 8.0 MiB are): there are too many files, see df -i"},
	} {
		dir := t.TempDir()
		if err := unix.Mount("relevo-test", dir, "tmpfs", 0, options); err != nil {
			testreq.Missing(t, "this test mounts a tmpfs: "+err.Error())
		}
		t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
		var err error
		for i := 0; err == nil; i++ {
			err = test.fill(dir, i)
		}
		if text := diskspace.Detail(dir, err).Error(); !strings.HasPrefix(text, err.Error()+" (the disk of ") {
			t.Errorf("%s: %s", options, text)
		}
		err = diskspace.Explain(dir, fmt.Errorf("cannot write: %w", err))
		if full := new(diskspace.FullError); !errors.As(err, &full) || !errors.Is(err, unix.ENOSPC) ||
			err.Error() != "the disk of "+dir+test.says {
			t.Errorf("%s: %v, want %q", options, err, test.says)
		}
	}
}

func TestExplainTheRest(t *testing.T) {
	t.Parallel()
	other := errors.New("another one")
	if err := diskspace.Explain("/", other); err != other {
		t.Errorf("another error became %v", err)
	}
	if err := diskspace.Explain("/", unix.EDQUOT); !strings.Contains(err.Error(), "quota of / is used up") {
		t.Errorf("a quota: %v", err)
	}
	if err := diskspace.Explain("/no/such/place", unix.ENOSPC); err.Error() != "the disk of /no/such/place is full" {
		t.Errorf("nothing is known: %v", err)
	}
}
