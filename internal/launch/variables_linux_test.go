package launch

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relevo/internal/config"
	"relevo/pool"
)

// ran starts a worker that ends by itself, and returns the lines that it printed.
func (r *rig) ran(c Command) []string {
	r.t.Helper()
	w := r.start(c)
	if exited := w.exit(); exited.Status != (pool.ExitStatus{}) {
		r.t.Fatalf("the worker ended with %+v, %s; %q", exited.Status, exited.Hint, r.err)
	}
	return strings.Split(strings.TrimSpace(r.out.String()), "\n")
}

// TestTooLarge: what the kernel would refuse is refused with an error that names it, and what is a
// little smaller runs.
func TestTooLarge(t *testing.T) {
	longest := 32*os.Getpagesize() - 1
	of := func(name string, size int) string { return name + "=" + strings.Repeat("x", size-len(name)-1) }
	var many []string
	for i := range 100 {
		many = append(many, of(fmt.Sprintf("MANY%d", i), longest-i))
	}
	room := shell("").argumentRoom()
	var fits []string
	// the test's own environment is small
	for used := 16 << 10; used+longest+entryCost < room; used += longest + entryCost {
		fits = append(fits, of(fmt.Sprintf("FITS%d", len(fits)), longest))
	}
	for name, c := range map[string]struct {
		env  []string
		arg  string
		says []string // nil: it runs
	}{
		"a variable": {[]string{"A=1", of("LARGE", longest+1)},
			"", []string{"variable LARGE", fmt.Sprintf("%d bytes", longest+1-len("LARGE=")), "less than 128KiB", "into a file"}},
		"a variable just fits": {[]string{of("LARGE", longest)}, "", nil},
		"an argument": {nil, strings.Repeat("y", longest+1),
			[]string{"argument 3", "yyyy", "less than 128KiB"}},
		"an argument just fits": {nil, strings.Repeat("y", longest), nil},
		"all together": {many, "", []string{"arguments and environment have",
			"the largest variables are MANY0 (", "MANY1 (", "MANY2 ("}},
		"many that just fit": {fits, "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			command := shell("exit 0")
			command.Env = c.env
			if c.arg != "" {
				command.Args = append(command.Args, c.arg)
			}
			r := newRig(t)
			if c.says == nil {
				r.ran(command)
				return
			}
			release, err := r.Prepare(command)
			if err == nil {
				release.Close()
				t.Fatal("there is no error")
			}
			wantError(t, err.Error(), append(c.says, "cannot ")...)
			if err := CheckRoom(command); err == nil || strings.Contains(err.Error(), strings.Repeat("x", 30)) {
				t.Errorf("relevo check would say %.300v", err)
			}
		})
	}
}

// TestLimitedStackLeavesLessRoom: a limit of the workers' stack also limits their environment.
func TestLimitedStackLeavesLessRoom(t *testing.T) {
	c := shell("exit 0")
	all := c.argumentRoom()
	c.Limits.Rlimits = []config.Rlimit{{Name: "stack", Soft: 1 << 20, Hard: config.Unlimited}}
	if got := c.argumentRoom(); got >= all || got >= 1<<18 {
		t.Errorf("with a stack of 1 MiB there is room for %d bytes, otherwise for %d", got, all)
	}
	c.Env = []string{"A=" + strings.Repeat("x", 120<<10), "B=" + strings.Repeat("x", 120<<10),
		"C=" + strings.Repeat("x", 60<<10)}
	if err := CheckRoom(c); err == nil {
		t.Error("300 KB of variables are accepted with a stack of 1 MiB")
	}
}

func TestPlaceholdersInVariables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.env")
	if err := os.WriteFile(file, []byte("FILE=slot {slot}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LAUNCH_TEST_LITERAL", "{slot}")
	r := newRig(t, "web", "admin")
	c := shell(`echo "$A"; echo "$B"; echo "$FILE"; echo "$LAUNCH_TEST_LITERAL"; echo "$JSON"`)
	c.EnvFiles = []string{file}
	c.Env = []string{"A=slot {slot} on {addr} and {addr:admin}", "B={fd},{fd:admin}", "LAUNCH_TEST_LITERAL",
		`JSON={"fd": 1}`}
	want := []string{
		"slot 2 on " + r.listeners[0].Address + " and " + r.listeners[1].Address, "3,4", "slot {slot}", "{slot}", `{"fd": 1}`,
	}
	if got := r.ran(c); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	c.Env = []string{"SECRET=abc {fd:nope}"}
	release, err := r.Prepare(c)
	if err == nil {
		release.Close()
		t.Fatal("a placeholder without a listener is accepted")
	}
	wantError(t, err.Error(), "cannot fill in {fd:nope} in the variable SECRET", `no listener is named "nope"`)
	if strings.Contains(err.Error(), "abc") {
		t.Errorf("the error contains the value: %v", err)
	}
	if key, err := CheckVariables(c.Env, []string{"web"}); key != "env.SECRET" || err == nil {
		t.Errorf("the key is %q, %v", key, err)
	}
}

// TestInheritedVariables: which of relevo's own variables a worker gets.
func TestInheritedVariables(t *testing.T) {
	for _, name := range []string{"ONE", "TWO", "LIST_A"} {
		t.Setenv("LAUNCH_TEST_"+name, "own")
	}
	for text, want := range map[string]string{
		"true": "ONE TWO LIST_A", "false": "", "LAUNCH_TEST_ONE,PATH": "ONE",
		"LAUNCH_TEST_LIST_*,LAUNCH_TEST_TWO": "TWO LIST_A",
	} {
		inherit, err := config.ParseEnvInherit(text)
		if err != nil {
			t.Fatal(err)
		}
		c := Command{App: "app", Args: []string{"/usr/bin/env"}, EnvInherit: inherit, Env: []string{"OF_THE_APP=1"}}
		var got []string
		app := false
		for _, line := range newRig(t).ran(c) {
			name, _, _ := strings.Cut(line, "=")
			if name, ours := strings.CutPrefix(name, "LAUNCH_TEST_"); ours && name != "ROLE" {
				got = append(got, name)
			}
			app = app || line == "OF_THE_APP=1"
		}
		slices.Sort(got)
		wanted := strings.Fields(want)
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) || !app {
			t.Errorf("env_inherit %s: %q, the app's own %v; want %q", text, got, app, wanted)
		}
	}
	c := shell(`echo "$LAUNCH_TEST_ONE"`)
	c.EnvInherit, c.Env = config.EnvInherit{Only: true}, []string{"LAUNCH_TEST_ONE"}
	if got := newRig(t).ran(c); got[0] != "own" {
		t.Errorf("--env NAME gives %q", got)
	}
	c.Env = []string{"LAUNCH_TEST_ABSENT"}
	err := CheckRoom(c)
	if err == nil {
		t.Fatal("a variable that is not set is accepted")
	}
	wantError(t, err.Error(), "cannot take the variable LAUNCH_TEST_ABSENT", "not set", "LAUNCH_TEST_ABSENT=VALUE")
}
