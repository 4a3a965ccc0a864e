package advice

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
)

// wrappers are the programs that run another program as their child, with what to type
// instead of each.
var wrappers = map[string]func(Command) string{
	"sh": shell, "bash": shell, "dash": shell, "ash": shell, "zsh": shell, "ksh": shell,
	"npm": script, "pnpm": script, "yarn": script, "bun": script,
	"npx": func(c Command) string { return "type node_modules/.bin/" + c.rest("TOOL") },
	"tsx": func(c Command) string { return "type node --import tsx " + c.rest("FILE") },
	"uv":  func(c Command) string { return "type .venv/bin/" + c.restAfter("run", "PROGRAM") },
	"go": func(c Command) string {
		return "build it, and type the program: go build -o app " + c.restAfter("run", ".") + "; relevo run -- ./app"
	},
	"sudo":      func(Command) string { return "leave sudo away: --user NAME runs workers as another user" },
	"timeout":   superfluous,
	"tini":      superfluous,
	"dumb-init": superfluous,
	"nodemon":   func(c Command) string { return "leave nodemon away: relevo dev -- node " + c.rest("FILE") },
	"rvm-auto.sh": func(Command) string {
		return "type the ruby that rvm chooses: rvm wrapper show"
	},
}

func superfluous(c Command) string {
	return "leave it away, relevo stops, reaps and restarts workers itself: " + c.rest("PROGRAM")
}

// IsWrapper says whether a process of this name may be a wrapper.
func IsWrapper(name string) bool {
	name, _, _ = strings.Cut(name, " ") // npm calls itself "npm start"
	_, ok := wrappers[plain(name)]
	return ok
}

// Swallows says whether a wrapper closes the descriptors that it inherits, as Node and sudo
// do.
func Swallows(name string) bool {
	return slices.Contains([]string{"npm", "npx", "pnpm", "yarn", "tsx", "nodemon", "sudo"}, name)
}

// Wrapper says whether a command runs its program as a child, as far as its arguments show
// that, and what to type instead.
func (c Command) Wrapper() (name, instead string, ok bool) {
	name = c.program()
	remedy, ok := wrappers[name]
	if !ok || name == "bun" && !slices.Contains(c.Args, "run") || name == "go" && !slices.Contains(c.Args, "run") ||
		isShell(name) && c.execs() {
		return "", "", false
	}
	return name, remedy(c), true
}

// execs says whether a shell replaces itself with the program.
func (c Command) execs() bool {
	commands := strings.FieldsFunc(c.shellText(), func(r rune) bool { return strings.ContainsRune("\n;&|({", r) })
	return slices.ContainsFunc(commands, func(command string) bool {
		return strings.HasPrefix(strings.TrimSpace(command), "exec ")
	})
}

// shellText returns the text that a shell runs.
func (c Command) shellText() string {
	args := c.withoutEnv()
	if len(args) == 0 || !isShell(args[0]) {
		return c.head()
	}
	for i, arg := range args[1:] {
		if isCommandFlag(arg) && i+2 < len(args) {
			return args[i+2]
		}
		if !strings.HasPrefix(arg, "-") {
			if !filepath.IsAbs(arg) {
				arg = filepath.Join(c.Dir, arg)
			}
			return beginning(arg)
		}
	}
	return ""
}

func isShell(path string) bool {
	return slices.Contains([]string{"sh", "bash", "dash", "ash", "zsh", "ksh"}, plain(path))
}

// isCommandFlag says whether a shell runs the argument after this one: -c, -ec.
func isCommandFlag(arg string) bool {
	return strings.HasPrefix(arg, "-") && strings.HasSuffix(arg, "c")
}

func shell(c Command) string {
	args := c.withoutEnv()
	if i := find(args, 1); i > 0 && slices.ContainsFunc(args[:i], isCommandFlag) {
		return "write exec before the program that serves: " + filepath.Base(args[0]) +
			" -c 'exec …'; what would follow it does not run"
	}
	file := args[0]
	if i := find(args, 1); i > 0 && isShell(args[0]) {
		file = args[i]
	}
	return "write exec before the program that serves in " + file
}

// script returns the script of package.json that a package manager would run.
func script(c Command) string {
	args := c.withoutEnv()
	name := "start"
	if i := find(args, 1); i > 0 {
		name = args[i]
		if j := find(args, i+1); (name == "run" || name == "run-script") && j > 0 {
			name = args[j]
		}
	}
	var file struct{ Scripts map[string]string }
	text := beginning(filepath.Join(c.Dir, "package.json"))
	if err := json.Unmarshal([]byte(text), &file); err == nil && file.Scripts[name] != "" {
		return "type what it runs: " + file.Scripts[name]
	}
	return "type the command that package.json has for " + name
}

// rest joins the arguments, beginning with the first one that is no flag.
func (c Command) rest(otherwise string) string { return c.from(1, otherwise) }

func (c Command) restAfter(word, otherwise string) string {
	return c.from(slices.Index(c.withoutEnv(), word)+1, otherwise)
}

func (c Command) from(i int, otherwise string) string {
	args := c.withoutEnv()
	if at := find(args, i); at > 0 {
		if plain(args[0]) == "timeout" && at+1 < len(args) {
			at++ // the duration
		}
		return strings.Join(args[at:], " ")
	}
	return otherwise
}
