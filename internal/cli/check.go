package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/launch"
	"relevo/internal/printable"
)

func (c *cli) check() *cobra.Command {
	var asJSON, schema bool
	cmd := &cobra.Command{
		Use: "check [FILE]", GroupID: "start", Args: atMostOne("FILE"),
		Short: "Check a configuration file and what it names; nothing is started or bound",
		Long: `Check a configuration file (default: ./` + config.DefaultFile + `): every setting, and that the files,
directories, users and the program that it names are there. Nothing is started,
no port is bound. Flags and RELEVO_ variables do not count.`,
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON schema of the file")
	cmd.Flags().MarkHidden("schema")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if schema {
			return c.printSchema()
		}
		path := first(args)
		if path == "" {
			path = config.DefaultFile
		}
		return c.printChecked(c.checkFile(path), asJSON)
	}
	return cmd
}

func (c *cli) printChecked(checked checked, asJSON bool) error {
	if asJSON {
		return checked.exit(c.printJSON(checked))
	}
	if checked.OK {
		_, err := fmt.Fprintln(c.stdout, checked.summary())
		return err
	}
	for _, e := range checked.Errors {
		fmt.Fprintln(c.stderr, printable.Text(e.text))
	}
	return checked.exit(nil)
}

func (c *cli) printSchema() error {
	text, err := config.Schema()
	if err == nil {
		_, err = c.stdout.Write(text)
	}
	return err
}

// checked is printed by `relevo check --json`. It contains no values of variables.
type checked struct {
	File    string `json:"file"`
	OK      bool   `json:"ok"`
	Name    string `json:"name,omitempty"`
	Workers int    `json:"workers,omitempty"`
	// MostWorkers is the upper bound, if the load decides on the number.
	MostWorkers int          `json:"most_workers,omitempty"`
	Command     []string     `json:"command,omitempty"`
	Listen      []string     `json:"listen,omitempty"`
	Notes       []string     `json:"notes,omitempty"`
	Errors      []checkError `json:"errors,omitempty"`
	Apps        []checked    `json:"apps,omitempty"` // one for each app of the file, if it has several
}

type checkError struct {
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"error"`
	text    string // with file and line
}

func (c *cli) checkFile(path string) checked {
	result := checked{File: path}
	dir := logicalDir(c.getenv)
	file, err := config.Load(path, dir)
	if err != nil {
		result.add(err)
		return result
	}
	names := file.Apps()
	if names == nil {
		names = []string{""}
	}
	for _, name := range names {
		for _, profile := range append([]string{""}, file.Profiles()...) {
			one := checkApp(file, config.Selection{App: name, Profile: profile}, dir)
			one.File = path
			if len(names) > 1 && profile == "" {
				result.Apps = append(result.Apps, one)
			}
			result.include(one, profile)
		}
	}
	result.OK = result.Errors == nil
	if len(names) > 1 {
		result.Name, result.Workers, result.Command, result.Listen, result.Notes = "", 0, nil, nil, nil
		result.MostWorkers = 0
	}
	return result
}

// include adds the errors of one app, each text once. The app itself is kept only if no profile has
// changed it.
func (r *checked) include(one checked, profile string) {
	if profile == "" {
		r.Name, r.Workers, r.Command, r.Listen, r.Notes = one.Name, one.Workers, one.Command, one.Listen, one.Notes
		r.MostWorkers = one.MostWorkers
	}
	for _, e := range one.Errors {
		if !slices.Contains(r.Errors, e) {
			r.Errors = append(r.Errors, e)
		}
	}
}

// checkApp checks one app of a file.
func checkApp(file *config.File, s config.Selection, dir string) (result checked) {
	file, err := file.Select(s)
	if err != nil {
		result.add(err)
		return result
	}
	sources := config.Sources{Defaults: config.Default(), File: file, Dir: dir, NoCommand: !file.Sets("command")}
	app, notes, err := withRuntime(sources)
	built, wrong := checkSurroundings(sources, app, err == nil)
	if built != "" {
		notes = append(notes, built)
	}
	result.add(errors.Join(err, wrong))
	if result.OK = result.Errors == nil; result.OK {
		result.Notes = notes
		result.Name, result.Workers, result.Command = app.Name, app.Workers, app.Command
		result.MostWorkers = app.MostWorkers
		for _, l := range app.Listen {
			result.Listen = append(result.Listen, l.String())
		}
	}
	return result
}

// checkSurroundings checks the files that the settings name. It looks for the program last, and
// only if everything else is right: a wrong setting may be the reason that the program is not
// found. The note is shown only for an app without errors.
func checkSurroundings(s config.Sources, app config.App, valid bool) (note string, err error) {
	errs := []error{s.CheckFiles()}
	blame := func(key string, err error) {
		if err != nil {
			errs = append(errs, s.Blame(key, err))
		}
	}
	if app.Limits.User != "" {
		blame("limits.user", launch.CheckUser(app.Limits.User))
	}
	if app.Limits.Group != "" {
		blame("limits.group", launch.CheckGroup(app.Limits.Group))
	}
	if valid {
		blame(checkPlaceholders(app))
	}
	if valid && errors.Join(errs...) == nil {
		err := launch.CheckRoom(commandOf(app))
		var oversize *launch.OversizeError
		if errors.As(err, &oversize) && oversize.Variable != "" {
			blame("env."+oversize.Variable, err)
		} else {
			blame("command", err)
		}
	}
	if valid && errors.Join(errs...) == nil && len(app.Command) > 0 {
		note, err = checkProgram(app)
		blame("command", err)
	}
	return note, errors.Join(errs...)
}

// commandOf makes the command that launch would run, without sockets.
func commandOf(app config.App) launch.Command {
	command := launch.Command{Args: app.Command, Dir: app.Dir, Env: app.Env, EnvFiles: app.EnvFiles,
		EnvInherit: app.EnvInherit, Limits: app.Limits}
	for _, l := range app.Listen {
		command.Listeners = append(command.Listeners, launch.Listener{Name: l.Name})
	}
	return command
}

func (r *checked) add(err error) {
	for _, e := range config.SortedErrors(err) {
		one := checkError{Message: e.Error(), text: e.Error()}
		var placed *config.FileError
		if errors.As(e, &placed) {
			one.Line, one.Column, one.Message = placed.Line, placed.Column, placed.Err.Error()
		}
		r.Errors = append(r.Errors, one)
	}
}

// exit ends the command after everything was printed.
func (r *checked) exit(err error) error {
	if err == nil && !r.OK {
		err = &exitOnly{control.ExitConfig}
	}
	return err
}

func (r *checked) summary() string {
	if len(r.Apps) > 0 {
		var lines []string
		for _, app := range r.Apps {
			lines = append(lines, app.summary())
		}
		return strings.Join(lines, "\n")
	}
	text := fmt.Sprintf("%s: ok; it has no command: relevo run -- COMMAND or relevo serve", r.File)
	if len(r.Command) > 0 {
		text = fmt.Sprintf("%s: ok: %s, %s of %s", r.File, r.Name, r.workers(),
			strings.Join(r.Command, " "))
		if len(r.Listen) > 0 {
			text += " on " + strings.Join(r.Listen, ", ")
		}
	}
	return strings.Join(append([]string{text}, r.Notes...), "\n  ")
}
