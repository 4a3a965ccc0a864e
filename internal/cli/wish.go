package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"relevo/internal/apps"
	"relevo/internal/config"
	"relevo/internal/runtimes"
)

// wish holds what the command line of relevo start asks for.
type wish struct {
	*cli
	flags  *appFlags
	at     place
	chosen bool // the file was named by -c
	afresh bool // apps of the file start as the file says, not as they are remembered
	words  apps.Words
}

func (c *cli) newWish(cmd *cobra.Command, flags *appFlags, words apps.Words) *wish {
	chosen := cmd.Flags().Changed("config")
	return &wish{c, flags, c.placeFor(cmd, flags), chosen, chosen || len(words.Args) == 0, words}
}

// resolve finds the apps that are meant, and the apps that have to serve before them.
func (w *wish) resolve() ([]apps.Wanted, error) {
	known, err := w.registry().Names()
	if err != nil {
		return nil, err
	}
	m, err := w.view(known).Mean(w.words)
	if err == nil && m.File != "" {
		if m, err = w.useFile(m); err != nil {
			return nil, usage(err)
		}
	}
	if err != nil {
		return nil, usage(err)
	}
	all, err := w.define(m)
	if err != nil {
		return nil, err
	}
	if all, err = w.withOthers(all, known); err != nil {
		return nil, err
	}
	for i, one := range all {
		if slices.ContainsFunc(all[:i], func(other apps.Wanted) bool { return other.Name == one.Name }) {
			return nil, usage(fmt.Errorf("cannot start several apps as %s: give each a name of its own", one.Name))
		}
	}
	return all, nil
}

func (w *wish) view(known []string) apps.View {
	machine := newLocalMachine(config.App{Dir: w.at.dir})
	v := apps.View{Defined: known, File: w.at.file != "", Apps: w.fileApps()}
	v.Runnable = func(word string) bool { return runtimes.IsRunnable(machine, w.at.dir, word) }
	v.Program = func(word string) bool { _, err := exec.LookPath(word); return err == nil }
	v.Exists = func(path string) bool {
		if !filepath.IsAbs(path) {
			path = filepath.Join(w.at.dir, path)
		}
		_, err := os.Stat(path)
		return err == nil
	}
	return v
}

// fileApps lists the apps of the file by their final names. Errors of the file are reported when it
// is used.
func (w *wish) fileApps() []string {
	if w.at.file == "" {
		return nil
	}
	file, err := config.Load(w.at.file, w.at.dir)
	if err != nil {
		return nil
	}
	return file.Apps()
}

// useFile uses the file that the words name; names of its apps may follow.
func (w *wish) useFile(m apps.Meaning) (apps.Meaning, error) {
	if w.chosen {
		return m, fmt.Errorf("cannot use %s and --config at the same time: leave one out", m.File)
	}
	w.at.file, w.afresh = m.File, true
	own, words := w.fileApps(), m.Words.Args
	if len(words) == 0 || slices.Equal(words, []string{"all"}) {
		return apps.Meaning{Own: own}, nil
	}
	matched, ok := apps.Match(words, own)
	if !ok {
		return m, fmt.Errorf("cannot start %s of %s: it has %s", strings.Join(words, " "), m.File,
			or(config.List(own), "one app and needs no name"))
	}
	return apps.Meaning{Own: matched}, nil
}

// define makes definitions of the apps that are meant.
func (w *wish) define(m apps.Meaning) (all []apps.Wanted, err error) {
	add := func(one apps.Wanted, failed error) {
		if err == nil {
			err = failed
		}
		all = append(all, one)
	}
	switch {
	case m.Command != nil:
		add(w.ofCommand(m.Command))
	case m.Own == nil && m.Known == nil, len(m.Own) == 0 && w.flags.selection.App != "":
		add(w.ofFile(w.flags.selection.App))
	}
	if app := w.flags.selection.App; app != "" && len(m.Own) > 0 {
		if len(w.words.Args) > 0 {
			return nil, usage(fmt.Errorf("cannot use --app %s beside names: leave one out", app))
		}
		m.Own = []string{app}
	}
	for _, app := range m.Own {
		add(w.ofOwn(app))
	}
	for _, name := range m.Known {
		one, failed := w.ofKnown(name)
		if failed != nil && w.isPlain() && len(m.Own)+len(m.Known) > 1 {
			one, failed = apps.Wanted{Definition: apps.Definition{Name: name}, Err: failed}, nil
		}
		add(one, failed)
	}
	return all, err
}

// isPlain says that only names are given. Then an error concerns one app, and the others start, as
// at boot.
func (w *wish) isPlain() bool {
	return !w.chosen && len(w.flags.texts) == 0 && w.flags.selection == config.Selection{}
}

// ofCommand defines an app by its command. A file counts only if the user has chosen it, or if it
// has a single app without a name.
func (w *wish) ofCommand(command []string) (apps.Wanted, error) {
	flags, own := *w.flags, *w
	flags.texts = maps.Clone(w.flags.texts)
	flags.texts["command"] = command
	isChosen := w.chosen || w.getenv("RELEVO_CONFIG") != "" || w.flags.selection != config.Selection{}
	if !isChosen && len(w.fileApps()) > 0 {
		own.at.file = ""
	}
	return own.ofSources(&flags)
}

// ofOwn defines an app of the file. If only its name is given, it starts as it is remembered.
func (w *wish) ofOwn(app string) (apps.Wanted, error) {
	if w.afresh {
		return w.ofFile(app)
	}
	d, err := w.registry().Load(app)
	if err == nil && d != nil && d.Config == absoluteIn(w.at.dir, w.at.file) && d.App == app && d.Dir == w.at.dir {
		return w.ofKnown(app)
	}
	return w.ofFile(app)
}

// ofFile defines an app by its name in the file.
func (w *wish) ofFile(app string) (apps.Wanted, error) {
	flags := *w.flags
	flags.selection.App = app
	return w.ofSources(&flags)
}

// ofSources makes a definition of flags, variables and the file. If there is no file, it also makes
// the text of one.
func (w *wish) ofSources(flags *appFlags) (apps.Wanted, error) {
	sources, err := w.sources(flags, w.container.fit(config.Default()), w.at)
	if err != nil {
		return apps.Wanted{}, forStart(err)
	}
	app, notes, err := resolve(sources)
	if err != nil {
		return apps.Wanted{}, forStart(err)
	}
	d := apps.Definition{Name: app.Name, Dir: w.at.dir, Command: flags.texts["command"], Path: w.getenv("PATH"),
		Serving: apps.ServingOf(w.getenv)}
	if sources.File == nil {
		d.Config, d.Written = w.registry().WrittenFile(d.Name), true
		return apps.Wanted{Definition: d, Text: sources.Written(d.Name, w.getenv), After: app.After,
			Unbounded: unbounded(app), Notes: notes}, nil
	}
	d.Config, d.Flags = sources.File.Absolute(), sources.Arguments()
	d.App, d.Profile = flags.selection.App, flags.selection.Profile
	return apps.Wanted{Definition: d, After: app.After, Unbounded: unbounded(app), Notes: notes}, nil
}

// forStart makes an error advise relevo start instead of relevo run.
func forStart(err error) error {
	if advised := new(runtimes.AdvisedError); errors.As(err, &advised) {
		return errors.New(advised.For("start"))
	}
	return err
}

// ofKnown takes a remembered app. Flags that are given change its definition.
func (w *wish) ofKnown(name string) (apps.Wanted, error) {
	d, err := w.registry().Load(name)
	if err != nil || d == nil {
		return apps.Wanted{}, err
	}
	if err := w.change(d); err != nil {
		return apps.Wanted{}, err
	}
	file, err := config.Load(d.Config, d.Dir)
	if err != nil {
		return apps.Wanted{}, invalid(err)
	}
	if file, err = selected(file, config.Selection{App: d.App, Profile: d.Profile}); err != nil {
		return apps.Wanted{}, err
	}
	texts := maps.Clone(w.flags.texts)
	if len(d.Command) > 0 && !d.Written {
		texts["command"] = d.Command
	}
	defaults := w.container.fit(config.Default())
	defaults.Name = name
	sources := config.Sources{Defaults: defaults, File: file, Flags: texts, Dir: d.Dir}
	app, err := sources.Resolve() // the master looks for the program itself, with a longer PATH
	if err != nil {
		return apps.Wanted{}, invalid(err)
	}
	known := apps.Wanted{Definition: *d, After: app.After, Unbounded: unbounded(app)}
	switch {
	case len(w.flags.texts) == 0:
	case d.Written && d.App == "": // an imported file stays unchanged, and flags are kept separately
		known.Text = sources.Written(name, w.getenv)
	default:
		known.Flags = apps.OverFlags(d.Flags, sources.Arguments())
	}
	return known, nil
}

// change updates the definition of a remembered app by the command line (without flags) and the
// environment.
func (w *wish) change(d *apps.Definition) error {
	switch profile := w.flags.selection.Profile; {
	case w.chosen:
		return usage(fmt.Errorf("cannot start %s with --config: it is started from %s; leave it out", d.Name, d.Config))
	case w.flags.texts["name"] != nil:
		return usage(fmt.Errorf("cannot rename %s: delete it, and start it again with --name", d.Name))
	case profile != "" && d.Written && d.App == "":
		return usage(fmt.Errorf("cannot use a profile for %s: no file of yours has its settings", d.Name))
	case profile != "":
		d.Profile = profile
	}
	if slices.Equal(w.words.Args, []string{d.Name}) { // only the name was given: PORT=9000 relevo start NAME
		if d.Serving == nil { // remembered by an older relevo
			d.Serving = map[string]string{}
		}
		maps.Copy(d.Serving, apps.ServingOf(w.getenv))
	}
	return nil
}

// withOthers adds the apps that have to serve before these, and do not serve yet.
func (w *wish) withOthers(all []apps.Wanted, known []string) ([]apps.Wanted, error) {
	others := *w
	others.flags, others.chosen = &appFlags{texts: map[string][]string{}}, false
	others.flags.selection.Profile = w.flags.selection.Profile
	own := w.fileApps()
	for i := 0; i < len(all); i++ {
		for _, name := range all[i].After {
			if slices.ContainsFunc(all, func(one apps.Wanted) bool { return one.Name == name }) || w.serves(name) {
				continue
			}
			var more apps.Wanted
			var err error
			switch {
			case slices.Contains(own, name):
				more, err = others.ofOwn(name)
			case slices.Contains(known, name):
				others.flags.selection = config.Selection{}
				more, err = others.ofKnown(name)
			default:
				err = fmt.Errorf("cannot start %s: it comes after %s, which does not run and is not known here", all[i].Name, name)
			}
			switch {
			case err == nil:
				all = append(all, more)
			case w.isPlain() && len(all) > 1:
				all[i].Err = err
			default:
				return nil, err
			}
		}
	}
	return all, nil
}

func (c *cli) serves(name string) bool {
	client, err := c.reach(context.Background(), name)
	if err != nil {
		return false
	}
	status, err := client.Status(context.Background())
	return err == nil && apps.Serves(status)
}
