package master

import (
	"errors"
	"strings"
	"testing"
)

// TestLegacyFormats: documents of other versions of relevo are read as far as they
// say that they can be, and refused by name otherwise.
func TestLegacyFormats(t *testing.T) {
	const pool = `"pool":{"releases":{"3":{"key":7,"app":{"Name":"web"},"release":{}}}}`
	for document, want := range map[string]string{
		`{"format":1,"reads":1,"version":"v1","name":"web","serving":7,` + pool + `}`:                      "",
		`{"format":1,"reads":1,"version":"v1","name":"web","serving":7,"of a later one":[1],` + pool + `}`: "",
		`{"format":5,"reads":1,"version":"v5","name":"web","serving":7,` + pool + `}`:                      "",
		`{"format":5,"reads":2,"version":"v5","name":"web","serving":7,` + pool +
			`}`: "relevo v5 wrote it in format 5, and this one reads up to 1",
		`{"name":"web",` + pool + `}`:     "format 0",
		`{"format":1,"reads":1,"pool":7}`: "cannot be read",
		`{"format":1,`:                    "cannot be read",
		``:                                "cannot be read",
	} {
		l, err := readLegacy([]byte(document))
		if want != "" {
			if !errors.Is(err, ErrLegacy) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", document, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", document, err)
			continue
		}
		a := &Arrival{legacy: l}
		if app, ok := a.App(); !ok || app.Name != "web" || !a.succeeds() {
			t.Errorf("%s: the app is %q, %t", document, app.Name, ok)
		}
	}
	if l, err := readLegacy([]byte(`{"format":1,"reads":1,"stopped":true}`)); err != nil ||
		(&Arrival{legacy: l}).succeeds() {
		t.Errorf("an app that has come to its end: %v, %v", l, err)
	}
}
