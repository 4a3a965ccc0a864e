package launch

import (
	"testing"

	"relevo/internal/config"
	"relevo/internal/testreq"
)

// TestTakeOverUser: a release runs as the user that it was prepared for, also where
// nobody can look that user up any more.
func TestTakeOverUser(t *testing.T) {
	testreq.Root(t)
	r := newRig(t)
	c := shell("id -u")
	c.Limits = config.Limits{User: "nobody"}
	release, err := r.Prepare(c)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := release.User()
	c.Limits.User = "no-such-user-any-more"
	heir, err := r.TakeOver(c, release.Legacy())
	if err != nil {
		t.Fatal(err)
	}
	defer heir.Close()
	if uid, _ := heir.User(); uid != want || uid == 0 {
		t.Errorf("workers run as %d, want %d", uid, want)
	}
}
