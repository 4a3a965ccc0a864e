package launch

import (
	"slices"
	"strings"
	"testing"
)

func TestExpand(t *testing.T) {
	listeners := []listenerFD{{"web", "127.0.0.1:8080", 3}, {"admin-1.x", "/run/a.sock", 4}}
	for arg, want := range map[string]string{
		"{fd}": "3", "{fd:web}": "3", "{fd:admin-1.x}": "4", "{addr}": "127.0.0.1:8080", "{addr:admin-1.x}": "/run/a.sock",
		"{slot}": "2", "--bind=fd://{fd:admin-1.x}": "--bind=fd://4", "{fd},{addr},{slot}": "3,127.0.0.1:8080,2",
		"plain": "plain", "": "", "{}": "{}", "{FD}": "{FD}", "{fds}": "{fds}", "{slot:web}": "{slot:web}",
		"{ fd }":   "{ fd }",
		`{"fd":1}`: `{"fd":1}`, "{{fd}}": "{3}", "{fd:a b}": "{fd:a b}", "${fd}": "$3", "listen({fd:3})": "listen({fd:3})",
		"{port}": "{port}",
		"{:fd}":  "{fd}", "{::fd}": "{:fd}", "{:addr:none}": "{addr:none}", "{:out}": "{out}", "{out}": "{out}",
		"{:x}": "{:x}",
	} {
		args := []string{"x", arg}
		got, err := expand(args, listeners, 2)
		if err != nil || !slices.Equal(got, []string{"x", want}) {
			t.Errorf("%q is %q, %v, want %q", arg, got, err, want)
		}
		if args[1] != arg {
			t.Errorf("expand changed the release's own argument to %q", args[1])
		}
	}
}

// TestExpandNumber: a name may be a number, if a listener has it.
func TestExpandNumber(t *testing.T) {
	got, err := expand([]string{"{fd:80},{fd:443}"}, []listenerFD{{"web", "a", 3}, {"80", "b", 4}}, 0)
	if err != nil || got[0] != "4,{fd:443}" {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestCheckArguments(t *testing.T) {
	for _, c := range []struct {
		arg       string
		listeners []string
		says      []string // nil: no error
	}{
		{"{fd}", []string{"web"}, nil},
		{"{addr:web}", []string{"web"}, nil},
		{"{slot}", nil, nil},
		{"listen({fd:3})", nil, nil},
		{"{fd:3rd}", []string{"web"}, []string{`"3rd"`}},
		{"{fd:nobody}", []string{"web", "admin"}, []string{`cannot fill in {fd:nobody}`, `"--x={fd:nobody}"`, `"nobody"`,
			"there are: web, admin"}},
		{"{addr:Web}", []string{"web"}, []string{`"Web"`, "there are: web"}},
		{"{fd}", nil, []string{"cannot fill in {fd}", "has no listener", "add one with --listen"}},
		{"{fd:web}", nil, []string{"cannot fill in {fd:web}", "has no listener", "add one with --listen"}},
		{"{addr}{fd:x}", []string{"web"}, []string{`"x"`}},
	} {
		err := CheckArguments([]string{"program", "--x=" + c.arg}, c.listeners)
		if (err == nil) != (c.says == nil) {
			t.Errorf("%s with %q: %v", c.arg, c.listeners, err)
			continue
		}
		for _, part := range c.says {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q does not say %q", err, part)
			}
		}
	}
}
