package cli

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relevo/internal/apps"
	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/imports"
)

// isForeign says whether the words name a file of PM2 or a Procfile, whose apps are imported and
// started.
func isForeign(words apps.Words) bool {
	if len(words.Args) == 0 || words.Dash == 0 {
		return false
	}
	switch imports.FormOf(words.Args[0]) {
	case imports.Program, imports.Ecosystem, imports.Procfile, imports.Package:
		return true
	}
	return false
}

// ofForeign imports the apps of such a file: all of them, or those that the user names.
func (w *wish) ofForeign(ctx context.Context) ([]apps.Wanted, error) {
	path, names := w.words.Args[0], w.words.Args[1:]
	if w.chosen || w.words.Dash > 0 {
		return nil, usage(fmt.Errorf("cannot start %s with --config or arguments: leave them out", path))
	}
	file := absoluteIn(w.at.dir, path)
	source := w.sourceOf(w.at.dir, path, w.registry().WrittenFile("x")) // absolute, because the definition is elsewhere
	document, err := readForeign(ctx, w.at.dir, path, source)
	if err != nil {
		return nil, control.WithExit(err, control.ExitConfig)
	}
	own := document.Names()
	if len(names) > 0 && (len(names) != 1 || names[0] != "all") {
		matched, ok := apps.Match(names, own)
		if !ok {
			return nil, usage(fmt.Errorf("cannot start %s of %s: it has %s", strings.Join(names, " "), path,
				or(config.List(own), "no app that relevo can run")))
		}
		own = matched
	}
	if err := w.checkProfile(document, path); err != nil {
		return nil, err
	}
	w.tellLeftOut(document)
	var all []apps.Wanted
	for _, name := range own {
		wanted, err := w.imported(document.Only(name), name, filepath.Dir(file))
		if err != nil {
			return nil, err
		}
		all = append(all, wanted)
	}
	if len(all) == 0 {
		return nil, control.WithExit(fmt.Errorf("cannot start %s: it has no app that relevo can run", path),
			control.ExitConfig)
	}
	return all, nil
}

// checkProfile refuses a profile that no app of the file has, and a profile that is named as PM2
// does it, by --env.
func (w *wish) checkProfile(document *imports.Document, path string) error {
	has, profile := document.Profiles(""), w.flags.selection.Profile
	for _, name := range w.flags.texts["env"] {
		if slices.Contains(has, name) && w.getenv(name) == "" {
			return usage(fmt.Errorf("cannot take a variable %[1]s: it is not set, but env_%[1]s of %[2]s is a profile here: "+
				"relevo start %[2]s --profile %[1]s", name, path))
		}
	}
	if profile != "" && !slices.Contains(has, profile) {
		return usage(fmt.Errorf("cannot find the profile %q in %s: it has %s", profile, path, or(config.List(has), "none")))
	}
	return nil
}

// tellLeftOut prints which settings of the file have no counterpart in relevo.
func (w *wish) tellLeftOut(document *imports.Document) {
	for _, remark := range document.Remarks {
		fmt.Fprintf(w.stderr, "%s: %s\n", document.From, remark)
	}
	for _, app := range document.Apps {
		if app.LeftOut != "" {
			fmt.Fprintf(w.stderr, "%s: %s is left out: %s\n", document.From, app.Name, app.LeftOut)
		}
		for _, remark := range app.Remarks {
			fmt.Fprintf(w.stderr, "%s: %s: %s\n", document.From, app.Name, remark)
		}
	}
}

// imported makes a definition of an app of a foreign file. Its configuration file is kept with the
// definition; flags are kept separately.
func (w *wish) imported(document *imports.Document, name, dir string) (apps.Wanted, error) {
	text := document.TOML()
	file, err := loadText(text)
	if err != nil {
		return apps.Wanted{}, invalid(err)
	}
	selection := config.Selection{App: name}
	if profile := w.flags.selection.Profile; slices.Contains(document.Profiles(name), profile) {
		selection.Profile = profile // as with PM2, the other apps of the file start without it
	}
	if file, err = selected(file, selection); err != nil {
		return apps.Wanted{}, err
	}
	sources := config.Sources{Defaults: w.container.fit(config.Default()), Getenv: w.setting, File: file,
		Flags: maps.Clone(w.flags.texts), Dir: dir}
	app, _, err := resolve(sources)
	if err != nil {
		return apps.Wanted{}, err
	}
	d := apps.Definition{Name: app.Name, Config: w.registry().WrittenFile(app.Name), Written: true, App: name,
		Profile: selection.Profile, Flags: sources.Arguments(), Dir: dir, Path: w.getenv("PATH"),
		Serving: apps.ServingOf(w.getenv)}
	return apps.Wanted{Definition: d, Text: text, After: app.After}, nil
}

// loadText parses a configuration file that was not written to disk yet.
func loadText(text []byte) (*config.File, error) {
	dir, err := os.MkdirTemp("", "relevo-import-")
	if err != nil {
		return nil, fmt.Errorf("cannot check what was imported: %w", err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, config.DefaultFile)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return nil, fmt.Errorf("cannot check what was imported: %w", err)
	}
	return config.Load(path, dir)
}
