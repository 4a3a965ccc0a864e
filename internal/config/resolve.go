package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Sources are where the settings of one app come from, the weakest first. A source replaces
// only the settings that it has.
type Sources struct {
	Defaults App
	File     *File               // nil: none
	Getenv   func(string) string // RELEVO_*; nil: none
	Flags    map[string][]string // texts by the key of their setting
	Dir      string              // present working directory, absolute

	// NoCommand says that the command may be missing, because it is given on the command
	// line of another start.
	NoCommand bool
}

// Reread returns the sources with the file as it is now.
func (s Sources) Reread() (Sources, error) {
	if s.File == nil {
		return s, nil
	}
	data, err := readFile(filepath.Join(s.File.dir, filepath.Base(s.File.path)))
	if err != nil {
		return s, &FileError{Path: s.File.path, Err: err}
	}
	s.File, err = parse(s.File.path, s.File.dir, data).Select(s.File.selection)
	return s, err
}

// Resolve returns the app, complete and valid, or all errors, each with its place in the file,
// its flag or its variable. Errors of the file are *FileError, in the order of their places.
func (s Sources) Resolve() (App, error) {
	r := s.resolve()
	return r.app, join(r.errs)
}

// Blame adds to an error where the setting's value comes from. The key may name an item
// (listen[1]) or a member (env.NAME).
func (s Sources) Blame(key string, err error) error {
	r := s.resolve()
	return r.blame(problem{key, err})
}

// resolved is an app with the origins of its settings.
type resolved struct {
	app     App
	errs    []error
	file    *reading
	origins map[string]string // flags and variables, by key, as errors name them
	ranks   map[string]int    // of the same
}

func (s Sources) resolve() *resolved {
	r := &resolved{app: s.Defaults, origins: map[string]string{}, ranks: map[string]int{}}
	for _, list := range []*[]string{&r.app.Command, &r.app.Env, &r.app.EnvFiles} {
		*list = slices.Clone(*list)
	}
	r.app.Listen, r.app.After = slices.Clone(r.app.Listen), slices.Clone(r.app.After)
	r.app.Limits.Rlimits = slices.Clone(r.app.Limits.Rlimits)
	r.app.Health = r.app.Health.clone()
	r.app.Dev.Watch, r.app.Dev.Rules = slices.Clone(r.app.Dev.Watch), slices.Clone(r.app.Dev.Rules)
	if s.File != nil {
		r.file = s.File.apply(&r.app)
		r.errs = append(slices.Clone(s.File.errs), r.file.errs...)
		r.app.anchor(s.File.dir)
	}
	r.takeTexts(s)
	r.app.anchor(s.Dir)
	r.complete(s)
	for _, p := range r.app.problems() {
		reported := r.file != nil && r.file.failed[p.setting()]
		// A file that is no valid TOML may contain any setting, so nothing else is checked.
		if p.key == "command" && len(r.app.Command) == 0 && s.File != nil && len(s.File.errs) > 0 {
			reported = true
		}
		if !reported && !(p.key == "command" && s.NoCommand) {
			r.errs = append(r.errs, r.blame(p))
		}
	}
	r.refuseIdle()
	return r
}

// takeTexts takes variables, then flags.
func (r *resolved) takeTexts(s Sources) {
	for _, setting := range Settings() {
		if variable := setting.Variable(); s.Getenv != nil && variable != "" {
			if text := s.Getenv(variable); text != "" {
				texts := []string{text}
				if setting.Repeats {
					texts = strings.Fields(text)
				}
				r.take(setting, texts, "environment variable "+variable, rankVariable)
			}
		}
		if texts := s.Flags[setting.Key]; len(texts) > 0 {
			origin := ""
			if setting.Flag != "" {
				origin = "flag --" + setting.Flag
			}
			r.take(setting, texts, origin, rankFlag)
		}
	}
}

func (r *resolved) take(setting Setting, texts []string, origin string, rank int) {
	r.origins[setting.Key], r.ranks[setting.Key] = origin, rank
	if err := setting.set(&r.app, texts); err != nil {
		r.errs = append(r.errs, r.blame(problem{setting.Key, err}))
	}
}

// blame looks at the strongest source first. If no source gives the name, it was derived from
// the command.
func (r *resolved) blame(p problem) error {
	keys := []string{p.key, p.setting()}
	if p.key == "name" {
		keys = append(keys, "command")
	}
	for _, key := range keys {
		if origin, ok := r.origins[problem{key: key}.setting()]; ok {
			if origin != "" {
				return fmt.Errorf("%w (%s)", p.err, origin)
			}
			return p.err
		}
		if r.file == nil {
			continue
		}
		if at, ok := r.file.places[key]; ok {
			return r.file.file.wrong(at, p.err)
		}
	}
	return p.err
}

// complete fills in what follows from other settings.
func (r *resolved) complete(s Sources) {
	app := &r.app
	if app.Dir == "" {
		app.Dir = s.Dir
		if s.File != nil && s.File.Sets("command") && s.Flags["command"] == nil {
			app.Dir = s.File.dir
		}
	}
	if app.Name == "" {
		app.Name = NameFor(app.Command, app.Dir)
	}
	app.Compat.complete(app, func(key string) bool { return r.rank(key) > 0 })
	NameListeners(app.Listen)
	for i := range app.Listen {
		app.Listen[i].Blocking = app.Listen[i].Blocking || app.Blocking
	}
}

// anchor makes the relative paths of a source absolute.
func (a *App) anchor(dir string) {
	absolute := func(path *string) {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(dir, *path)
		}
	}
	absolute(&a.Dir)
	for i := range a.EnvFiles {
		absolute(&a.EnvFiles[i])
	}
	for i := range a.Listen {
		if a.Listen[i].Network == Unix && !a.Listen[i].Abstract() {
			absolute(&a.Listen[i].Address)
			a.Listen[i].Address = filepath.Clean(a.Listen[i].Address)
		}
	}
}

// CheckFiles returns an error if an environment file or the working directory cannot be used.
// The errors say where the names come from.
func (s Sources) CheckFiles() error {
	r := s.resolve()
	var errs []error
	for i, path := range r.app.EnvFiles[:min(len(r.app.EnvFiles), maxEnvFiles)] {
		if _, err := ReadEnvFile(path); err != nil {
			errs = append(errs, r.blame(problem{fmt.Sprintf("env_files[%d]", i), err}))
		}
	}
	return join(append(errs, r.checkDir()...))
}

func (r *resolved) checkDir() []error {
	info, err := os.Stat(r.app.Dir)
	switch {
	case err != nil:
		err = fmt.Errorf("cannot use the working directory: %w; create it, or choose another", err)
	case !info.IsDir():
		err = fmt.Errorf("cannot use the working directory: %s is a file; choose a directory", r.app.Dir)
	default:
		return nil
	}
	return []error{r.blame(problem{"directory", err})}
}

// Invalid says whether an error is one of a configuration file.
func Invalid(err error) bool {
	var placed *FileError
	return errors.As(err, &placed)
}
