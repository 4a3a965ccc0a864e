package cli

import "testing"

// TestAllOfNone: a command for all apps says that there is none, and succeeds.
func TestAllOfNone(t *testing.T) {
	emptyPlaces(t)
	for _, c := range []struct{ name, want string }{
		{"stop", "no apps run\n"}, {"status", "no apps run\n"}, {"reload", "no apps run\n"},
		{"delete", "no apps\n"}, {"restart", "no apps\n"}, {"describe", "no apps\n"},
	} {
		if code, out, said := command(t, c.name, "all"); code != 0 || out != c.want || said != "" {
			t.Errorf("%s all: exit code %d: %s%s", c.name, code, out, said)
		}
		if code, out, said := command(t, c.name, "all", "--json"); code != 0 || out != "[]\n" || said != "" {
			t.Errorf("%s all --json: exit code %d: %s%s", c.name, code, out, said)
		}
	}
	if code, out, said := command(t, "scale", "all", "2"); code != 0 || out != "no apps run\n" || said != "" {
		t.Errorf("scale all 2: exit code %d: %s%s", code, out, said)
	}
}
