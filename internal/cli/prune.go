package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"relevo/internal/control"
	"relevo/internal/launch/store"
	"relevo/internal/phrase"
)

// prune asks the app's master. If none runs, this process removes the copies itself; locks show
// which copies are in use.
func (c *cli) prune(ctx context.Context, name string, asJSON bool) error {
	client, err := c.connect(ctx, name)
	var pruned control.Pruned
	switch {
	case err == nil:
		pruned, err = client.Prune(ctx)
	case control.ExitCode(err) == control.ExitNotRunning:
		pruned, err = c.pruneStopped(name, err)
	}
	if err != nil {
		return err
	}
	if asJSON {
		return c.printJSON(pruned)
	}
	_, err = fmt.Fprintf(c.stdout, "%s removed, %s freed\n", phrase.Count(pruned.Copies, "copy"), sizeText(pruned.Bytes))
	return err
}

// pruneStopped returns notRunning if the store has nothing of the app either.
func (c *cli) pruneStopped(name string, notRunning error) (control.Pruned, error) {
	if name == "" {
		var err error
		if name, err = c.defaultName(); err != nil {
			return control.Pruned{}, err
		}
	}
	dir := c.places.ReleaseStore(name)
	if _, err := os.Stat(dir); name == "" || err != nil {
		return control.Pruned{}, notRunning
	}
	kept, err := store.Open(dir, 0, slog.New(slog.DiscardHandler))
	if err != nil {
		return control.Pruned{}, err
	}
	pruned, err := kept.Prune()
	return control.Pruned(pruned), err
}
