package cli

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"relevo/internal/apps"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/phrase"
	"relevo/internal/printable"
	"relevo/pool"
)

// startReport is the result of a start; `relevo start --json` prints it.
type startReport struct {
	Started []control.Status  `json:"started"`
	Failed  map[string]string `json:"failed,omitempty"` // the reason, by the app's name

	cli     *cli
	several bool
	failure error // the error, if there is a single app
}

func (r *startReport) tell(asJSON bool) func(apps.Wanted, control.Status, error) {
	return func(w apps.Wanted, status control.Status, err error) {
		failed, repeated := new(apps.FailedError), false
		switch {
		case err == nil:
			r.Started = append(r.Started, status)
		default:
			text := printable.Text(err.Error())
			// All apps that wait for each other have the same error.
			repeated = slices.Contains(slices.Collect(maps.Values(r.Failed)), text)
			r.Failed[w.Name] = text
		}
		if asJSON || repeated {
			return
		}
		if errors.As(err, &failed) {
			for _, line := range failed.Lines {
				fmt.Fprintln(r.cli.stderr, printable.Text(line))
			}
		}
		switch {
		case err == nil:
			r.cli.printStarted(status, !r.several)
			for _, note := range w.Notes {
				fmt.Fprintln(r.cli.stdout, "  "+r.cli.paint(r.cli.colorOut, yellow, printable.Text(note)))
			}
			if w.Unbounded {
				fmt.Fprintln(r.cli.stdout, "  "+r.cli.paint(r.cli.colorOut, yellow, fmt.Sprintf("output goes to %s, which does "+
					"not "+
					"rotate; output = \"files\" has files that do, and that relevo logs reads",
					filepath.Join(r.cli.registry().LogDir(status.Name), "current"))))
			}
		case r.several:
			fmt.Fprintln(r.cli.stderr, r.cli.paint(r.cli.color, red, "relevo:"), printable.Text(err.Error()))
		default:
			r.failure = err
		}
	}
}

// printStarted prints the state of an app that serves; the long form adds what to type next.
func (c *cli) printStarted(s control.Status, long bool) {
	serving := s.Serving()
	var addresses []string
	for _, l := range s.Listeners {
		addresses = append(addresses, l.Address)
	}
	where := ""
	if len(addresses) > 0 {
		where = " on " + strings.Join(addresses, ", ")
	}
	name := c.paint(c.colorOut, bold, s.Name)
	fmt.Fprintf(c.stdout, "%s serves%s with %s\n", name, where, phrase.Count(serving, "worker"))
	for _, warning := range s.Warnings {
		fmt.Fprintln(c.stdout, "  "+c.paint(c.colorOut, yellow, warning))
	}
	if long && len(addresses) == 0 && slices.ContainsFunc(s.Workers, hasOnlyLived) {
		fmt.Fprintln(c.stdout, "  it has no address so far; if it opens a port later, start it with -l ADDRESS: relevo "+
			"waits for the port then")
		if serving > 1 {
			fmt.Fprintf(c.stdout, "  each of the %d workers runs the whole program; -n 1 starts only one\n", serving)
		}
	}
	if long {
		fmt.Fprintf(c.stdout, "  output in %s\n", c.registry().LogDir(s.Name))
		fmt.Fprintf(c.stdout, "  next: relevo status %[1]s · relevo reload %[1]s · relevo stop %[1]s\n", s.Name)
	}
}

// hasOnlyLived says whether a worker counts as ready only because it has not died.
func hasOnlyLived(w pool.Worker) bool { return w.ReadyBy == "alive" }

// unbounded says that the output of an app in the background grows without limit: it goes neither
// to relevo's log files, the default, nor to a terminal or journald.
func unbounded(app config.App) bool {
	return app.Output != config.OutputAuto && app.Output != config.OutputFiles
}
