package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"relevo/internal/config"
	"relevo/internal/control"
)

// settingFlag is the flag of one setting. It keeps the texts; package config parses them.
type settingFlag struct {
	config.Setting
	texts map[string][]string // by the setting's key
}

func (f *settingFlag) Set(text string) error {
	if err := f.Check(text); err != nil {
		return err
	}
	f.texts[f.Key] = append(f.texts[f.Key], text)
	return nil
}

// String is what --help shows as the default.
func (f *settingFlag) String() string { return strings.Trim(f.Default, `"`) }
func (f *settingFlag) Type() string   { return f.Arg }

// durationFlag is the flag of a duration that is no setting. The value needs a unit.
type durationFlag struct{ value *time.Duration }

func (f durationFlag) Set(text string) error {
	d, err := config.ParseDuration(text)
	if err == nil {
		*f.value = d
	}
	return err
}

func (f durationFlag) String() string {
	if f.value == nil {
		return ""
	}
	return f.value.String()
}

func (f durationFlag) Type() string { return "DURATION" }

func (c *cli) durationFlag(cmd *cobra.Command, value *time.Duration, name, help string) {
	cmd.Flags().Var(durationFlag{value}, name, help)
}

// checkedFlag is a text that the master parses. It is checked here before it is sent: an empty
// text, from a variable that is not set, must not count as a flag that was not given.
type checkedFlag struct {
	value *string
	kind  string
	check func(string) error
}

func (f checkedFlag) Set(text string) error {
	err := f.check(text)
	if err == nil {
		*f.value = text
	}
	return err
}

func (f checkedFlag) String() string { return "" }
func (f checkedFlag) Type() string   { return f.kind }

// flagError replaces pflag's messages by ours: what is wrong, and what to do.
func flagError(cmd *cobra.Command, err error) error {
	text := err.Error()
	if _, reason, ok := strings.Cut(text, " flag: "); ok && strings.HasPrefix(text, "invalid argument") {
		flag := text[strings.Index(text, " for ")+len(" for ") : strings.Index(text, " flag: ")]
		return control.WithExit(fmt.Errorf("%s (flag %s)", reason, strings.Trim(flag, `"`)), control.ExitUsage)
	}
	name, ok := strings.CutPrefix(text, "unknown flag: --")
	if answer := foreignFlags()[name]; ok && answer != "" {
		return control.WithExit(fmt.Errorf("cannot find the flag --%s: %s", name, answer), control.ExitUsage)
	}
	if ok {
		return control.WithExit(fmt.Errorf("cannot find the flag --%s%s; see %s --help", name, nearFlag(cmd, name),
			cmd.CommandPath()), control.ExitUsage)
	}
	return control.WithExit(fmt.Errorf("cannot read the flags: %w; see %s --help", err, cmd.CommandPath()),
		control.ExitUsage)
}

// nearFlag suggests the flag whose name is most similar.
func nearFlag(cmd *cobra.Command, name string) string {
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	if near := config.Nearest(name, names); near != "" {
		return "; did you mean --" + near + "?"
	}
	return ""
}

// appFlags are the flags that run and serve have in common: those of the
// settings, and the file.
type appFlags struct {
	texts     map[string][]string // by the key of the setting
	config    string
	selection config.Selection
	// background says that relevo start has started this master.
	background bool
	succeeds   string // take over from this app's master in the background, if it runs
}

func (c *cli) appFlags(cmd *cobra.Command) *appFlags {
	return c.settingFlags(cmd, func(s config.Setting) bool { return !s.OfDev() })
}

// settingFlags defines the flags of the settings that a command has.
func (c *cli) settingFlags(cmd *cobra.Command, has func(config.Setting) bool) *appFlags {
	flags := &appFlags{texts: map[string][]string{}}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVarP(&flags.config, "config", "c", "", "configuration `FILE` (default: ./"+config.DefaultFile+
		" where it exists)")
	f.StringVar(&flags.selection.App, "app", "", "which `APP` of the file, where it has several: [app.NAME]")
	f.StringVar(&flags.selection.Profile, "profile", "", "settings of the file that count, too: those of [profile.`NAME`]")
	for _, s := range config.Settings() {
		if s.Flag == "" || !has(s) {
			continue
		}
		help := s.Help
		if s.Repeats {
			help += "; repeatable"
		}
		flag := f.VarPF(&settingFlag{s, flags.texts}, s.Flag, s.Short, help)
		if s.Arg == "bool" {
			flag.NoOptDefVal = "true"
		}
		if s.Key == "workers" {
			f.VarP(&settingFlag{s, flags.texts}, "instances", "i", "another spelling of --workers, that of pm2")
		}
	}
	return flags
}

// sources collects all places that an app's settings come from.
func (c *cli) sources(flags *appFlags, defaults config.App, at place) (s config.Sources, err error) {
	s = config.Sources{Defaults: defaults, Getenv: c.setting, Flags: flags.texts, Dir: at.dir}
	if at.file == "" {
		return s, usage(flags.needFile())
	}
	if s.File, err = config.Load(at.file, at.dir); err != nil {
		return s, invalid(err)
	}
	s.File, err = selected(s.File, flags.selection)
	return s, err
}

// needFile returns an error if a flag needs a file and there is none.
func (f *appFlags) needFile() error {
	switch s := f.selection; {
	case s.App != "":
		return fmt.Errorf("cannot find the app %q: there is no configuration file; name it with --config", s.App)
	case s.Profile != "":
		return fmt.Errorf("cannot find the profile %q: there is no configuration file; name it with --config", s.Profile)
	}
	return nil
}

// selected returns the part of a file that the selection names.
func selected(file *config.File, s config.Selection) (*config.File, error) {
	part, err := file.Select(s)
	if apps := file.Apps(); err != nil && s.App == "" && len(apps) > 1 {
		err = fmt.Errorf("%w; --app %s chooses one, relevo start starts all of them in the background", err, apps[0])
	}
	return part, usage(err)
}

// defaultFile reads ./relevo.toml; nil if it does not exist. A dangling link is an error: its
// author wanted a file there.
func defaultFile(dir string) (*config.File, error) {
	if _, err := os.Lstat(filepath.Join(dir, config.DefaultFile)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return config.Load(config.DefaultFile, dir)
}

// invalid gives configuration errors their exit code; an error from reading the file has its own
// already.
func invalid(err error) error {
	if config.Invalid(err) {
		return control.WithExit(err, control.ExitConfig)
	}
	return usage(err)
}
