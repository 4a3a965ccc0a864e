package config

import (
	"strings"
	"testing"
)

// wantError checks that an error says every one of the parts: what was given,
// what is wrong with it, and what would be accepted.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error %q does not say %q", err, part)
		}
	}
}

// wantCannot is wantError for the errors that stand alone.
func wantCannot(t *testing.T, err error, parts ...string) {
	t.Helper()
	wantError(t, err, parts...)
	if !strings.HasPrefix(err.Error(), "cannot ") {
		t.Errorf("the error %q does not begin with \"cannot \"", err)
	}
}
