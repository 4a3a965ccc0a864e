package cli

import (
	"path/filepath"

	"relevo/internal/config"
	"relevo/internal/runtimes"
	"relevo/watch"
)

// isCommand says whether a word before -- begins a command instead of naming a Go package.
func isCommand(s *config.Sources, word string) bool {
	app, _ := s.Resolve()
	dir := word
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(app.Dir, word)
	}
	return runtimes.IsRunnable(newLocalMachine(app), app.Dir, word) && !hasGoFiles(dir)
}

// useCommand runs a script or a package. Programs that bind their own port need no listener.
func useCommand(s *config.Sources, command []string) {
	s.Flags["command"] = command
	if filepath.Ext(command[0]) != ".php" { // php -S gets the listener's address as an argument
		s.Defaults.Listen = nil
	}
}

func hasGoFiles(dir string) bool {
	found, err := filepath.Glob(filepath.Join(dir, "*.go"))
	return err == nil && len(found) > 0
}

// presentScript finds what to run in the working directory: a package.json, or a script with a
// usual name such as app.js; empty: neither exists.
func presentScript(app config.App) (command string, err error) {
	m := newLocalMachine(app)
	script := runtimes.Find(m, app.Dir)
	if !m.IsFile(filepath.Join(app.Dir, "package.json")) {
		return script, nil
	}
	if _, err = runtimes.Resolve(m, app.Dir, "", []string{app.Dir}); err != nil && script != "" {
		return script, nil
	}
	return ".", err
}

// watchedScript makes the loop watch the directory of a command that is not in the working
// directory.
func watchedScript(app config.App, from string) []string {
	if app.Dev.Package != "" || len(app.Dev.Watch) > 0 {
		return app.Dev.Watch
	}
	place := app.Dir
	if at := runtimes.Parse(app.Command); at.Script > 0 {
		place = filepath.Dir(filepath.Join(app.Dir, app.Command[at.Script]))
		if filepath.IsAbs(app.Command[at.Script]) {
			place = filepath.Dir(app.Command[at.Script])
		}
	}
	if inside, err := filepath.Rel(from, place); err == nil && filepath.IsLocal(inside) {
		return nil
	}
	return []string{watch.Escape(from) + "/**", watch.Escape(place) + "/**"}
}
