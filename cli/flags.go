package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"relevo/config"
	"relevo/control"
)

// parsed is a flag whose text is read by a function of package config.
type parsed[T any] struct {
	value *T
	parse func(string) (T, error)
	show  func(T) string
	kind  string
}

func (p *parsed[T]) Set(text string) (err error) {
	value, err := p.parse(text)
	if err == nil {
		*p.value = value
	}
	return err
}

func (p *parsed[T]) String() string {
	if p.value == nil {
		return ""
	}
	return p.show(*p.value)
}

func (p *parsed[T]) Type() string { return p.kind }

// list is a flag that may be given several times; each time adds one.
type list[T any] struct {
	values *[]T
	parse  func(string) (T, error)
	kind   string
}

func (l *list[T]) Set(text string) error {
	value, err := l.parse(text)
	if err == nil {
		*l.values = append(*l.values, value)
	}
	return err
}

func (l *list[T]) String() string { return "" }
func (l *list[T]) Type() string   { return l.kind }

// flagError rewrites pflag's words into ours: what is wrong, and what to do.
func flagError(cmd *cobra.Command, err error) error {
	text := err.Error()
	if _, reason, ok := strings.Cut(text, " flag: "); ok && strings.HasPrefix(text, "invalid argument") {
		flag := text[strings.Index(text, " for ")+len(" for ") : strings.Index(text, " flag: ")]
		return control.WithExit(fmt.Errorf("%s (flag %s)", reason, strings.Trim(flag, `"`)), control.ExitUsage)
	}
	if name, ok := strings.CutPrefix(text, "unknown flag: --"); ok {
		return control.WithExit(fmt.Errorf("cannot find the flag --%s%s; see %s --help", name, nearFlag(cmd, name), cmd.CommandPath()), control.ExitUsage)
	}
	return control.WithExit(fmt.Errorf("cannot read the flags: %w; see %s --help", err, cmd.CommandPath()), control.ExitUsage)
}

// nearFlag suggests the flag that a typing error is closest to.
func nearFlag(cmd *cobra.Command, name string) string {
	best, distance := "", 3
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if d := editDistance(name, f.Name); d < distance && !f.Hidden {
			best, distance = f.Name, d
		}
	})
	if best == "" {
		return ""
	}
	return "; did you mean --" + best + "?"
}

// editDistance is Levenshtein's, row by row.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := previous
			if a[i] != b[j] {
				change++
			}
			previous = row[j+1]
			row[j+1] = min(change, previous+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// fromEnvironment sets the flags that were not given from RELEVO_* variables:
// RELEVO_READY_TIMEOUT for --ready-timeout. Lists are separated by white space.
func (c *cli) fromEnvironment(cmd *cobra.Command, lists ...string) error {
	var failed error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		variable := "RELEVO_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		text := c.getenv(variable)
		if f.Changed || text == "" || failed != nil || f.Name == "help" {
			return
		}
		values := []string{text}
		for _, name := range lists {
			if name == f.Name {
				values = strings.Fields(text)
			}
		}
		for _, value := range values {
			if err := cmd.Flags().Set(f.Name, value); err != nil {
				failed = usage(fmt.Errorf("%w (environment variable %s)", flagError(cmd, err), variable))
			}
		}
	})
	return failed
}

// appLists are the flags of run and serve that may be given several times.
var appLists = []string{"listen", "env", "env-file"}

func showDuration[T fmt.Stringer](d T) string { return d.String() }

// appFlags are the flags that run and serve have in common.
func (c *cli) appFlags(cmd *cobra.Command, app *config.App) {
	f := cmd.Flags()
	f.SortFlags = false
	f.VarP(&parsed[int]{&app.Workers, config.ParseWorkers, func(n int) string { return "auto" }, "N|auto"}, "workers", "n",
		"number of workers; auto is one for each processor this process may use")
	f.VarP(&list[config.Listen]{&app.Listen, config.ParseListen, "[NAME=]ADDR"}, "listen", "l",
		"listen on :8080, 127.0.0.1:0, [::1]:80, unix:/path.sock, udp:…; repeatable; ,mode=0660 and ,backlog=N may follow")
	f.StringVar(&app.Name, "name", "", "name of the app (default: base name of the command)")
	f.Var(&parsed[config.Ready]{&app.Ready, config.ParseReady, config.Ready.String, "HOW"}, "ready",
		"how a worker gets known as ready: auto, notify, ipc or delay=D")
	c.durationFlag(cmd, &app.ReadyTimeout, "ready-timeout", "how long a worker may take to get ready")
	c.durationFlag(cmd, &app.Canary, "canary", "probation of the first worker of a roll; 0 for none")
	c.durationFlag(cmd, &app.DrainTimeout, "drain-timeout", "how long a worker may finish what it has accepted")
	f.Var(&parsed[signalValue]{(*signalValue)(&app.StopSignal), parseSignalValue, signalValue.String, "SIGNAL"}, "stop-signal",
		"what asks a worker to drain that does not speak relevo's IPC")
	f.IntVar(&app.Surge, "surge", app.Surge, "how many slots a roll replaces at a time")
	f.BoolVar(&app.WatchBinary, "watch-binary", app.WatchBinary, "roll when the bytes of the executable change")
	f.Var(&list[string]{&app.Env, config.ParseEnv, "K=V"}, "env", "a variable for the workers; repeatable")
	f.Var(&list[string]{&app.EnvFiles, func(s string) (string, error) { return s, nil }, "FILE"}, "env-file",
		"a file of variables, read anew at each roll; repeatable")
	f.Var(&parsed[config.Output]{&app.Output, config.ParseOutput, func(o config.Output) string { return string(o) }, "HOW"}, "output",
		"the workers' output: prefix (each line), plain (untouched), inherit (the master's own streams), auto")
	f.StringVar(&c.logFormat, "log-format", "auto", "auto, text or json")
	f.StringVar(&c.logLevel, "log-level", "info", "debug, info, warn or error")
}

func (c *cli) durationFlag(cmd *cobra.Command, value *durationValue, name, help string) {
	cmd.Flags().Var(&parsed[durationValue]{value, config.ParseDuration, showDuration[durationValue], "DURATION"}, name, help)
}
