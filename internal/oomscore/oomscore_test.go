package oomscore

import (
	"errors"
	"testing"
)

func TestProtect(t *testing.T) {
	for _, test := range []struct {
		name            string
		now             int
		env             string
		may             bool
		master, workers int
		left            string // in the environment of a successor
	}{
		{"root", 0, "", true, protected, 0, "0"},
		{"root with a value of its own", 200, "", true, protected, 200, "200"},
		{"a successor of root's", protected, "200", true, protected, 200, "200"},
		{"a user", 0, "", false, 0, ahead, ""},
		{"a user whose services go first", 950, "", false, 950, highest, ""},
		{"protected by its unit", -1000, "", true, -1000, -1000, ""},
		{"a successor that may no longer", protected, "0", false, protected, ahead, "0"},
	} {
		now, env := test.now, test.env
		p := process{
			read: func() (int, error) { return now, nil },
			write: func(value int) error {
				if !test.may {
					return errors.New("permission denied")
				}
				now = value
				return nil
			},
			getenv: func(string) string { return env },
			setenv: func(_, value string) error { env = value; return nil },
		}
		workers, ok := p.protect()
		if !ok || workers != test.workers || now != test.master || env != test.left {
			t.Errorf("%s: master %d, workers %d, environment %q; want %d, %d, %q", test.name, now, workers, env, test.master,
				test.workers, test.left)
		}
	}
	p := process{read: func() (int, error) { return 0, errors.New("no such file") }}
	if _, ok := p.protect(); ok {
		t.Error("it is known where the system has none")
	}
}
