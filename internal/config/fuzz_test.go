package config

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzLoad: a file is refused, each error with its place, or it is an app that is
// valid and that comes back the same when it is written and read again.
func FuzzLoad(f *testing.F) {
	text, err := os.ReadFile(referencePath)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add(uncommented(string(text)))
	f.Add("command = ['./a', \"\\u00e9\\n\\\"\", '']\nenv = {A = -0, 'B C' = true, D = '+5', E = '1.0'}\n")
	f.Add("listener = [{address = 'unix:a b', mode = '0660'}, {address = 'udp6:[::1]:53'}]\nlimits.umask = '0'\n")
	f.Add("limits.lifetime_jitter = 1e-3\nlimits.max_memory = '1.5GB'\nstop_signal = '35'\n" +
		"limits.rlimits.core = '0:unlimited'")
	f.Add("command = ['.']")
	f.Add("listener = [{address = ':1'}]\nlisten = [':2']")
	f.Add("[limits]\n[limits.rlimits]\n[[listener]]\n[[listener]]\na.b.c = [[[{x = 1}]]]\n[listener.x]\n")
	f.Fuzz(func(t *testing.T, text string) {
		app, err := resolveText(text)
		if err != nil {
			for _, e := range SortedErrors(err) {
				if placed, ok := e.(*FileError); !ok || placed.Line < 1 || placed.Column < 1 {
					t.Errorf("no place: %v", e)
				}
			}
			return
		}
		if len(app.Command) > 0 {
			if err := app.Validate(); err != nil {
				t.Fatalf("resolved, but not valid: %v", err)
			}
		}
		again, err := resolveText(render(app))
		if err != nil {
			t.Fatalf("cannot be read again: %v\n%s", err, render(app))
		}
		if diff := cmp.Diff(app, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("comes back another:\n%s\n%s", diff, render(app))
		}
		if changes := Diff(app, again); changes != nil {
			t.Errorf("differs: %v", changes)
		}
	})
}
