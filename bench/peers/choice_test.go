package main

import (
	"slices"
	"strings"
	"testing"
)

// TestChosenPeers: -peers holds for every table; a table without a chosen peer is left out, and a name that
// no peer has is an error that lists the names.
func TestChosenPeers(t *testing.T) {
	t.Parallel()
	all := []string{"serving", "rolls", "faults", "apps", "saved", "lines"}
	for parts, want := range map[string]string{
		"":             "serving rolls faults apps saved lines",
		"nginx":        "serving rolls faults",
		"nodemon":      "saved",
		"relevo,PM2":   "serving rolls faults apps saved lines",
		"nodemon,cat":  "saved lines",
		"puma,nodemon": "serving rolls faults saved",
	} {
		got, err := narrow(all, splitParts(parts), tables)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%q: tables %v, %v; want %s", parts, got, err, want)
		}
	}
	for _, parts := range []string{"nonesuch", "relevo,nonesuch", "relevo,"} {
		if _, err := narrow(all, splitParts(parts), tables); err == nil || !strings.Contains(err.Error(), "there are") ||
			!strings.Contains(err.Error(), "nodemon") {
			t.Errorf("%q: %v", parts, err)
		}
	}
	if _, err := narrow([]string{"apps"}, []string{"nginx"}, tables); err == nil {
		t.Error("apps of nginx: no error")
	}
	if got := rowsOf(choice([]string{"pm2"}, houses)); !slices.Equal(got, []string{"PM2"}) {
		t.Errorf("chosen by pm2: %v", got)
	}
}
