package dev

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/watch"
)

// recipe says how the program is made: which files are watched, and which steps follow a change.
type recipe struct {
	opts    Options
	base    watch.Set // all watched files except the Go program's
	set     watch.Set
	goInput *atomic.Pointer[watch.Matcher] // the files of the Go program; nil: there is none
	goFiles []string                       // the patterns of the last list
	steps   []step
	rolls   watch.Matcher
}

// step is one command of the recipe, and when it runs.
type step struct {
	name    string
	inputs  func(path string) bool
	job     job
	out     string // the file that it makes, empty if unknown; it is written to out + staged
	replace bool   // the workers are replaced after this step
	program bool   // the output has to be an executable
}

// staged is the suffix of an output that is still being written.
const staged = ".next"

// newRecipe finds out what has to be watched.
func newRecipe(ctx context.Context, o Options) (recipe, error) {
	r := recipe{opts: o, set: watch.Set{NoIgnore: o.Dev.NoIgnore}}
	for _, rule := range o.Dev.Rules {
		if err := r.addRule(rule); err != nil {
			return r, err
		}
	}
	watched, not, err := r.patterns(o.Dev.Watch)
	if err != nil {
		return r, err
	}
	if len(watched) == 0 && o.Dev.Package == "" {
		watched = withLinked(o.Dir, []string{watch.Escape(o.Dir) + "/**"})
	}
	r.set.Globs = append(r.set.Globs, watched...)
	r.set.Not = append(r.set.Not, not...)
	r.set.Not = append(r.set.Not, watch.Escape(o.Place)+"/**")
	if o.Store != "" { // each start writes there
		r.set.Not = append(r.set.Not, watch.Escape(o.Store)+"/**")
	}
	if o.ConfigFile != "" {
		r.set.Exact = append(r.set.Exact, watch.Escape(o.ConfigFile))
	}
	r.rolls = watch.NewMatcher(watch.Set{Globs: watched, Not: not, Exact: r.set.Exact})
	switch {
	case o.Dev.Package != "" && o.Dev.Build != "":
		return r, control.WithExit(fmt.Errorf("cannot build %s by the go command and by %q: name what is to run after "+
			"--, or leave --build out",
			o.Dev.Package, o.Dev.Build), control.ExitUsage)
	case o.Dev.Package != "":
		return r, r.addGo(ctx)
	case o.Dev.Build != "":
		r.addBuild()
	}
	return r, nil
}

// patterns makes patterns absolute and separates those that exclude.
func (r *recipe) patterns(given []string) (globs, not []string, err error) {
	for _, pattern := range given {
		pattern, away := strings.CutPrefix(pattern, "!")
		if !strings.HasPrefix(pattern, "/") {
			pattern = watch.Escape(r.opts.Dir) + "/" + strings.TrimPrefix(pattern, "./")
		}
		if err := watch.Check(pattern); err != nil {
			return nil, nil, control.WithExit(err, control.ExitUsage)
		}
		if away {
			not = append(not, pattern)
		} else {
			globs = append(globs, pattern)
		}
	}
	return withLinked(r.opts.Dir, globs), not, nil
}

func (r *recipe) addRule(rule config.DevRule) error {
	globs, not, err := r.patterns(rule.Inputs)
	if err != nil {
		return err
	}
	name := rule.Name
	if name == "" {
		name, _, _ = strings.Cut(rule.Command, " ")
	}
	r.set.Globs = append(r.set.Globs, globs...)
	r.steps = append(r.steps, step{
		name: name, inputs: watch.NewMatcher(watch.Set{Globs: globs, Not: not}).Match,
		job: r.shell(rule.Command, ""),
	})
	return nil
}

func (r *recipe) shell(command, out string) job {
	return job{args: []string{"/bin/sh", "-c", strings.ReplaceAll(command, "{out}", shellQuote(out))}, dir: r.opts.Dir,
		end: syscall.SIGTERM}
}

func shellQuote(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

// addBuild adds a shell command. Its output is known only if the command names {out}.
func (r *recipe) addBuild() {
	s := step{name: "build", replace: true, inputs: r.rolls.Match}
	if strings.Contains(r.opts.Dev.Build, "{out}") {
		s.out = filepath.Join(r.opts.Place, r.opts.Name)
	}
	s.job = r.shell(r.opts.Dev.Build, s.out+staged)
	r.steps = append(r.steps, s)
}

// addGo adds the build of a Go program.
func (r *recipe) addGo(ctx context.Context) error {
	packages, work, err := listGo(ctx, r.opts.Dir, r.opts.Dev.Package)
	if err != nil {
		return err
	}
	if _, err := program(packages, r.opts.Dev.Package); err != nil {
		return err
	}
	r.goInput = new(atomic.Pointer[watch.Matcher])
	r.base = r.set
	r.set = r.takeGo(packages, work, time.Time{})
	out := filepath.Join(r.opts.Place, r.opts.Name)
	r.steps = append(r.steps, step{
		name: "go build", replace: true, program: true, out: out,
		inputs: func(path string) bool { return r.goInput.Load().Match(path) },
		job:    job{args: goBuild(r.opts.Dev, out+staged), dir: r.opts.Dir, end: os.Interrupt},
	})
	return nil
}

// goBuild is the command line that builds the program to out.
func goBuild(d config.Dev, out string) []string {
	args := []string{"go", "build", "-buildvcs=false", "-o", out}
	if d.Delve {
		args = append(args, "-gcflags=all=-N -l")
	} else if !strings.Contains(os.Getenv("GOFLAGS"), "-ldflags") {
		args = append(args, "-ldflags=-w") // no DWARF: a quarter less to link
	}
	return append(args, d.Package)
}

// takeGo watches the files of these packages. If some could not be read, the files that were
// watched before stay watched: an incomplete list may lack the very file whose change mends it.
func (r *recipe) takeGo(packages []goPackage, work string, since time.Time) watch.Set {
	exact, not := goSet(packages, work)
	if slices.ContainsFunc(packages, func(p goPackage) bool { return p.Error != nil }) {
		exact = union(exact, r.goFiles)
	}
	r.goFiles = exact
	matcher := watch.NewMatcher(watch.Set{Exact: exact, Not: not})
	r.goInput.Store(&matcher)
	set := r.base
	set.Exact = append(slices.Clone(set.Exact), exact...)
	set.Not = append(slices.Clone(set.Not), not...)
	set.Since = since
	return set
}

func (r *recipe) plan() *plan {
	var inputs []func(string) bool
	var replace []bool
	for _, s := range r.steps {
		inputs, replace = append(inputs, s.inputs), append(replace, s.replace)
	}
	return newPlan(inputs, replace, r.rolls.Match)
}

func (r *recipe) command(given []string) []string {
	out := filepath.Join(r.opts.Place, r.opts.Name)
	if r.opts.Dev.Package != "" {
		if len(given) > 0 {
			given = given[1:]
		}
		return append([]string{out}, given...)
	}
	command := slices.Clone(given)
	for i := range command {
		command[i] = strings.ReplaceAll(command[i], "{out}", out)
	}
	return command
}

// place moves the output of a step to its final name.
func (s step) place() (same bool, err error) {
	if s.out == "" {
		return false, nil
	}
	if info, err := os.Stat(s.out + staged); s.program && err == nil && info.Mode()&0o111 == 0 {
		// Without a package main the go command silently writes an archive.
		return false, errors.Join(errors.New("cannot run what was built, which is a library: the package is not called main"),
			os.Remove(s.out+staged))
	}
	if sameBytes(s.out, s.out+staged) {
		return true, os.Remove(s.out + staged)
	}
	if err := os.Rename(s.out+staged, s.out); err != nil {
		if errors.Is(err, os.ErrNotExist) {
			err = errors.New("cannot find what was to be built: the command succeeded and wrote nothing to {out}")
		}
		return false, err
	}
	return false, nil
}

func sameBytes(a, b string) bool {
	before, err := os.Stat(a)
	if err != nil {
		return false
	}
	after, err := os.Stat(b)
	if err != nil || before.Size() != after.Size() {
		return false
	}
	x, errX := os.ReadFile(a)
	y, errY := os.ReadFile(b)
	return errX == nil && errY == nil && string(x) == string(y)
}
