package cli

import (
	"strings"
	"testing"
)

// TestRootFor: a command that is made without the others is the same command.
func TestRootFor(t *testing.T) {
	t.Parallel()
	c := &cli{getenv: func(string) string { return "" }}
	for _, command := range c.root().Commands() {
		for _, word := range append([]string{command.Name()}, command.Aliases...) {
			made, _, err := c.rootFor([]string{word}).Find([]string{word})
			if err != nil || made.Name() != command.Name() {
				t.Errorf("relevo %s is %v, %v", word, made, err)
				continue
			}
			if made.UsageString() != command.UsageString() {
				t.Errorf("the usage of relevo %s depends on how it is made", word)
			}
		}
	}
	for _, args := range []string{"", "help run", "--help", "runs"} {
		if made := c.rootFor(strings.Fields(args)).Commands(); len(made) < 20 {
			t.Errorf("relevo %s knows %d commands", args, len(made))
		}
	}
	if made := c.rootFor([]string{"run"}).Commands(); len(made) != 1 {
		t.Errorf("a master keeps %d commands", len(made))
	}
}
