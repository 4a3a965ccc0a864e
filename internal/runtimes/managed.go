package runtimes

import (
	"path/filepath"
	"slices"
	"strings"
)

// managers are the package managers whose commands are replaced by what they run.
var managers = [...]string{"npm", "npx", "yarn", "pnpm", "pnpx", "bun", "bunx"}

func isManager(word string) bool { return slices.Contains(managers[:], word) }

// managerVerbs are commands of yarn, pnpm and bun that win over a script of the same name.
var managerVerbs = [...]string{"add", "build", "create", "dlx", "init", "install", "link", "pack", "publish", "remove",
	"test", "unlink", "update", "upgrade", "workspace", "workspaces"}

// order is what a command line tells a package manager to run.
type order struct {
	manager string
	command string // npm_command
	name    string // of the script or the program
	script  bool   // it can be a script
	program bool   // it can be a program of node_modules/.bin
	dir     string
	args    []string
}

// Managed returns the program that npm, npx, yarn, pnpm or bun would run, so that the
// package manager does not stand between relevo and the program. It returns any other
// command, and a command that only the package manager understands, unchanged.
func Managed(m Machine, dir string, args []string) (Command, error) { return managed(m, dir, args, 0) }

func managed(m Machine, dir string, args []string, depth int) (Command, error) {
	asIs := Command{Args: args}
	o, ok := readOrder(dir, args)
	if !ok || above(o.dir, func(d string) bool { return m.IsFile(filepath.Join(d, ".pnp.cjs")) }) != "" {
		return asIs, nil
	}
	home := above(o.dir, func(d string) bool { return m.IsFile(filepath.Join(d, "package.json")) })
	if o.script && home != "" {
		about, err := readManifest(m, home)
		if err != nil {
			return asIs, err
		}
		if about.Scripts[o.name] != "" || o.manager == "npm" || !o.program && o.manager != "bun" {
			c, err := packageScript(m, packageRun{o.manager, o.command, o.name, home, dir, depth}, o.args)
			if c.Dir == "" && home != dir {
				c.Dir = home
			}
			return c, err
		}
	}
	if !o.program {
		if o.manager == "npm" && home == "" {
			return asIs, noPackage(m, o)
		}
		return asIs, nil
	}
	return program(m, o, home, asIs)
}

// program runs a program of node_modules/.bin, in the directory or in one above it.
func program(m Machine, o order, home string, asIs Command) (Command, error) {
	found := binOf(m, o.dir, o.name)
	if found == o.name && (o.manager != "yarn" || m.Find(o.name) == "") {
		return asIs, nil
	}
	c := Command{Args: append([]string{found}, o.args...), Path: binDirectories(o.dir), Dir: o.dir}
	if home == "" {
		return c, nil
	}
	about, err := readManifest(m, home)
	if err != nil {
		return asIs, err
	}
	event := map[bool]string{true: "npx", false: ""}[o.command == "exec"]
	c.Env = about.environ(m, packageRun{manager: o.manager, command: o.command, name: event, dir: home, from: o.dir}, "")
	c.Name = or(about.plainName(), placeName(filepath.Join(home, "x")))
	return c, nil
}

// readOrder reads the command line of a package manager. It returns false for another
// program, and for a command that only the package manager can do.
func readOrder(dir string, args []string) (o order, ok bool) {
	if len(args) < 2 || !isManager(args[0]) {
		return o, false
	}
	o = order{manager: args[0], dir: dir}
	rest, ok := o.options(args[1:])
	if !ok || len(rest) == 0 {
		return o, false
	}
	switch word := rest[0]; {
	case o.manager == "npx" || o.manager == "pnpx" || o.manager == "bunx":
		o.command, o.program = "exec", true
	case word == "run" || word == "run-script" || o.manager == "npm" && (word == "rum" || word == "urn"):
		o.command, o.script = "run-script", true
		if rest, ok = o.options(rest[1:]); !ok {
			return o, false
		}
		o.program = o.manager == "yarn"
	case word == "exec" && (o.manager == "npm" || o.manager == "pnpm" || o.manager == "yarn"):
		o.command, o.program = "exec", true
		if rest, ok = o.options(rest[1:]); !ok {
			return o, false
		}
	case word == "start":
		o.command, o.script = "start", true
	case o.manager == "npm" || slices.Contains(managerVerbs[:], word):
		return o, false
	default:
		o.command, o.script, o.program = "run-script", true, o.manager != "bun"
	}
	if o.command == "exec" && len(rest) > 0 && rest[0] == "--" {
		rest = rest[1:]
	}
	if len(rest) == 0 || strings.HasPrefix(rest[0], "-") {
		return o, false
	}
	o.name, o.args = rest[0], rest[1:]
	return o, o.ownArgs()
}

// ownArgs keeps the arguments of the program, and removes the package manager's own and
// the "--" between them. It returns false if npm has an option there that matters.
func (o *order) ownArgs() bool {
	if o.manager != "npm" || o.command == "exec" {
		if o.manager == "pnpm" && len(o.args) > 0 && o.args[0] == "--" && o.command != "exec" {
			o.args = o.args[1:]
		}
		return true
	}
	before, after := o.args, []string(nil)
	if at := slices.Index(o.args, "--"); at >= 0 {
		before, after = o.args[:at], o.args[at+1:]
	}
	before = slices.DeleteFunc(slices.Clone(before), isQuiet)
	o.args = slices.Concat(before, after)
	return !slices.ContainsFunc(before, func(a string) bool { return strings.HasPrefix(a, "-") })
}

// isQuiet says whether an option changes only what a package manager prints or asks.
func isQuiet(option string) bool {
	return slices.Contains([]string{"-s", "--silent", "-q", "--quiet", "-y", "--yes", "--no", "--no-install",
		"--no-update-notifier", "--no-fund", "--no-audit"}, option) ||
		strings.HasPrefix(option, "--loglevel=") || strings.HasPrefix(option, "--reporter=")
}

// options reads the options before the next word: those that print less, and those that
// change the directory. It returns false at any other option.
func (o *order) options(args []string) (rest []string, ok bool) {
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "--" {
		name, value, assigned := strings.Cut(args[0], "=")
		switch {
		case isQuiet(args[0]):
			args = args[1:]
		case !slices.Contains([]string{"--prefix", "-C", "--cwd", "--dir"}, name):
			return nil, false
		case assigned:
			o.dir, args = under(o.dir, value), args[1:]
		case len(args) > 1:
			o.dir, args = under(o.dir, args[1]), args[2:]
		default:
			return nil, false
		}
	}
	return args, true
}

// binOf returns the path of one of the package's programs, or the name itself if the package
// has no such program. A path in the working directory is relative, so that it stays right
// when a symbolic link such as "current" moves.
func binOf(m Machine, dir, name string) string {
	if strings.Contains(name, "/") {
		return name
	}
	for i, place := range binDirectories(dir) {
		if program := filepath.Join(place, name); m.IsFile(program) {
			if i == 0 {
				return filepath.Join("node_modules", ".bin", name)
			}
			return program
		}
	}
	return name
}

func binDirectories(dir string) (all []string) {
	for ; ; dir = filepath.Dir(dir) {
		all = append(all, filepath.Join(dir, "node_modules", ".bin"))
		if dir == filepath.Dir(dir) {
			return all
		}
	}
}
