package cli

import (
	"testing"

	"relevo/internal/config"
)

func TestInsideWorker(t *testing.T) {
	for name, test := range map[string]struct {
		env   map[string]string
		first string // where masters are looked for
		count int
		named string // RELEVO_NAME as a setting
	}{
		"outside": {map[string]string{"RELEVO_NAME": "a"}, "/run/relevo", 1, "a"},
		"inside":  {map[string]string{"RELEVO_NAME": "a", "RELEVO_CONTROL": "/srv/run/a.sock"}, "/srv/run", 2, ""},
		"inside, its name": {map[string]string{"RELEVO_NAME": "b", "RELEVO_CONTROL": "/srv/run/a.sock"}, "/srv/run", 2,
			"b"},
		"the usual place": {map[string]string{"RELEVO_NAME": "a", "RELEVO_CONTROL": "/run/relevo/a.sock"},
			"/run/relevo", 1, ""},
		"a place of its own": {map[string]string{"RELEVO_RUNTIME_DIR": "/run/relevo", "RELEVO_CONTROL": "/srv/run/a.sock"},
			"/run/relevo", 1, ""},
		"no path": {map[string]string{"RELEVO_CONTROL": "a.sock"}, "/run/relevo", 1, ""},
	} {
		c := &cli{places: config.Places{Runtime: "/run/relevo"}, getenv: func(name string) string { return test.env[name] }}
		if got := c.lookIn(); got[0].Runtime != test.first || len(got) != test.count {
			t.Errorf("%s: looks in %+v", name, got)
		}
		if got := c.setting("RELEVO_NAME"); got != test.named {
			t.Errorf("%s: the name is %q, want %q", name, got, test.named)
		}
	}
}
