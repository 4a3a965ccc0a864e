package cli

import (
	"strings"
	"testing"

	"relevo/internal/control"
	"relevo/pool"
)

// TestCompletion: the shell is offered names, slots, workers, releases, signals and the entries of
// relevo.toml.
func TestCompletion(t *testing.T) {
	work := emptyPlaces(t)
	writeFiles(t, work, map[string]string{"relevo.toml": "[app.jobs]\ncommand = [\"x\"]\n[app.mail]\ncommand = [\"y\"]\n" +
		"[profile.production]\n"})
	m := &standIn{status: control.Status{Name: "web", Status: pool.Status{Workers: []pool.Worker{
		{Slot: 0, ID: "7", State: "serving"}, {Slot: 1, ID: "8", State: "serving"}, {Slot: 1, ID: "5", State: "draining"}}}},
		releases: control.Releases{Releases: []control.Release{
			{SHA256: "ab12cd34ef5600", Version: "v1.4.3", Kept: true, Verdict: "good"},
			{SHA256: "0012cd34ef5600", Kept: true, Serving: true}, {SHA256: "9912cd34ef5600"}}}}
	m.serve(t, "web")
	for line, want := range map[string]string{
		"send web --slot|":           "0\tworker 7, serving\n1\tworker 8, serving\n:36\n",
		"signal web --id|":           "7\tslot 0, serving\n8\tslot 1, serving\n5\tslot 1, draining\n:36\n",
		"rollback web --to|":         "ab12cd34ef56\tv1.4.3 good\n:36\n",
		"rollback gone --to|":        ":4\n",
		"rollback|":                  "web\n:4\n",
		"signal web|":                "HUP\nINT\nQUIT\nUSR1\nUSR2\nTERM\nWINCH\nTTIN\nTTOU\nSTOP\nCONT\nKILL\n:36\n",
		"signal web HUP|":            ":36\n",
		"send|":                      "web\n:4\n",
		"send web|":                  ":4\n",
		"env|":                       "web\n:4\n",
		"env web|":                   "0\tworker 7, serving\n1\tworker 8, serving\n:36\n",
		"env web 0|":                 ":4\n",
		"prove|":                     "web\n:4\n",
		"start|":                     "jobs\nmail\nweb\n:0\n",
		"start jobs|":                "mail\nweb\n:0\n",
		"start --app|":               "jobs\nmail\n:4\n",
		"run --profile|":             "production\n:4\n",
		"run --config gone --app|":   ":4\n",
		"run --config gone.toml -i|": ":0\n",
		"uninstall|":                 "web\n:4\n",
		"unit|":                      "web\n:4\n",
		"init|":                      ":0\n",
		"start -- ./run|":            ":0\n",
		"list|":                      "web\n:4\n",
		"check|":                     ":0\n",
		"import|":                    ":0\n",
	} {
		args := append([]string{"__complete"}, strings.Fields(strings.TrimSuffix(line, "|"))...)
		_, out, _ := command(t, append(args, "")...)
		if out != want {
			t.Errorf("%s completes to\n%s\nwant\n%s", line, out, want)
		}
	}
}
