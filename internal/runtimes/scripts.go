package runtimes

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// defaultPHPAddress is where php -S listens if no listener is configured.
const defaultPHPAddress = "127.0.0.1:8000"

// scriptCommand returns the command of a script. Its first line names the interpreter, or
// else its ending decides.
func scriptCommand(m Machine, dir, address string, args []string) (Command, error) {
	path := under(dir, args[0])
	if words := interpreterOf(m, path); words != nil {
		return Command{Args: append(words, args...)}, nil
	}
	s := script{m, dir, path, args}
	switch filepath.Ext(args[0]) {
	case ".js", ".mjs", ".cjs":
		return s.javaScript()
	case ".ts", ".mts", ".cts":
		return s.typeScript()
	case ".py":
		return s.python()
	case ".rb":
		return s.ruby("ruby")
	case ".ru":
		return s.rack()
	case ".php":
		return s.php(address)
	case ".pl":
		return s.by("perl")
	}
	return s.by("sh")
}

// interpreterOf returns the interpreter that the first line of a script names; nil: the line
// names none, or it is not installed.
func interpreterOf(m Machine, path string) []string {
	words := strings.Fields(m.FirstLine(path))
	if len(words) == 0 {
		return nil
	}
	if filepath.Base(words[0]) == "env" {
		words = words[1:]
		if len(words) > 0 && words[0] == "-S" {
			words = words[1:]
		}
	} else if !m.IsFile(words[0]) {
		words[0] = filepath.Base(words[0])
	}
	if len(words) == 0 || strings.HasPrefix(words[0], "-") || isAssignment(words[0]) ||
		!m.IsFile(words[0]) && m.Find(words[0]) == "" {
		return nil
	}
	return words
}

// script is a script whose interpreter is being looked for.
type script struct {
	m         Machine
	dir, path string
	args      []string
}

// by returns the command that runs the script by an interpreter, and an error if that is not
// installed.
func (s script) by(words ...string) (Command, error) {
	if s.m.Find(words[0]) == "" {
		return Command{}, fmt.Errorf("cannot run %s: %s is not installed; %s", s.args[0], words[0], InstallHint(words[0]))
	}
	return Command{Args: append(words, s.args...)}, nil
}

// beside returns the nearest directory that has one of the files. It begins with the
// script's directory and goes up; empty: there is none.
func (s script) beside(files ...string) string {
	return above(filepath.Dir(s.path), func(dir string) bool {
		return slices.ContainsFunc(files, func(file string) bool { return s.m.IsFile(filepath.Join(dir, file)) })
	})
}

// above returns the nearest directory for which holds returns true. It begins with dir and
// goes up; empty: there is none.
func above(dir string, holds func(dir string) bool) string {
	for ; ; dir = filepath.Dir(dir) {
		if holds(dir) {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// bunProject says whether Bun runs the script: Bun is installed, and it has installed the
// package, or Node is absent.
func (s script) bunProject() bool {
	return s.m.Find("bun") != "" && (s.beside("bun.lock", "bun.lockb") != "" || s.m.Find("node") == "")
}

func (s script) javaScript() (Command, error) {
	if s.bunProject() {
		return s.by("bun")
	}
	return s.by("node")
}

func (s script) typeScript() (Command, error) {
	if s.bunProject() {
		return s.by("bun")
	}
	version := s.m.NodeVersion()
	major, minor, known := nodeRelease(version)
	strips := known && (major > 23 || major == 23 && minor >= 6 || major == 22 && minor >= 18)
	if strips {
		return s.by("node")
	}
	if place := s.beside("node_modules/.bin/tsx"); place != "" {
		if s.m.IsFile(filepath.Join(s.dir, "node_modules/tsx/package.json")) && (major > 20 || major == 20 && minor >= 6) {
			return s.by("node", "--import", "tsx") // tsx itself would start node as its child
		}
		return Command{Args: append([]string{filepath.Join(place, "node_modules/.bin/tsx")}, s.args...)}, nil
	}
	switch {
	case s.m.Find("tsx") != "":
		return s.by("tsx")
	case major == 22 && minor >= 6 || major == 23:
		return s.by("node", "--experimental-strip-types")
	case version == "":
		return Command{}, fmt.Errorf("cannot run %s: node is not installed; install Node 22.18 or newer, "+
			"which runs TypeScript", s.args[0])
	}
	return Command{}, fmt.Errorf("cannot run %s: Node %s does not run TypeScript; install Node 22.18 or newer, "+
		"or tsx: npm install tsx", s.args[0], version)
}

// python prefers the virtual environment of the script's project.
func (s script) python() (Command, error) {
	for _, place := range []string{".venv", "venv"} {
		program := filepath.Join(place, "bin", "python")
		if s.m.IsFile(filepath.Join(s.dir, program)) {
			return Command{Args: append([]string{program}, s.args...)}, nil
		}
		if home := s.beside(program); home != "" {
			return Command{Args: append([]string{filepath.Join(home, program)}, s.args...)}, nil
		}
	}
	if s.m.Find("python3") == "" && s.m.Find("python") != "" {
		return s.by("python")
	}
	return s.by("python3")
}

// ruby adds bundle exec if there is a Gemfile.
func (s script) ruby(words ...string) (Command, error) {
	if s.beside("Gemfile") != "" && s.m.Find("bundle") != "" {
		return s.by(append([]string{"bundle", "exec"}, words...)...)
	}
	return s.by(words...)
}

func (s script) rack() (Command, error) {
	lock, _ := s.m.ReadFile(filepath.Join(s.beside("Gemfile.lock"), "Gemfile.lock"))
	switch has := func(gem string) bool { return strings.Contains(string(lock), "\n    "+gem+" (") }; {
	case has("rackup"):
		return s.ruby("rackup")
	case has("puma"):
		return s.ruby("puma")
	case s.m.Find("rackup") != "":
		return s.ruby("rackup")
	}
	return s.ruby("puma")
}

// php runs a script by php -S, unless the script is itself a server.
func (s script) php(address string) (Command, error) {
	text, _ := s.m.ReadFile(s.path)
	if slices.ContainsFunc(phpServers[:], func(word string) bool { return strings.Contains(string(text), word) }) {
		return s.by("php")
	}
	if address == "" {
		address = defaultPHPAddress
	}
	return s.by("php", "-S", address)
}

// phpServers are words that occur in scripts that do not need php -S: they accept connections
// themselves, or serve none.
var phpServers = [...]string{
	"stream_socket_server", "socket_create", "socket_bind", "Swoole\\", "Workerman\\", "React\\", "Amp\\", "Revolt\\",
	"RoadRunner", "frankenphp_handle_request",
	"pcntl_", "while (true)", "while(true)", "while (1)", "while(1)", "for (;;)",
}

// InstallHint says how an interpreter is usually installed.
func InstallHint(program string) string {
	name := baseName(program)
	if i := slices.IndexFunc(debianPackages[:], func(p [2]string) bool {
		return slices.Contains(strings.Fields(p[0]), name)
	}); i >= 0 {
		return "in Debian it is in the package " + debianPackages[i][1] + ": apt install " + debianPackages[i][1]
	}
	if i := slices.IndexFunc(otherPackages[:], func(p [2]string) bool { return p[0] == name }); i >= 0 {
		return "install it: " + otherPackages[i][1]
	}
	return ""
}

// debianPackages has for a program the package of Debian that installs it.
var debianPackages = [...][2]string{
	{"node nodejs", "nodejs"}, {"npm npx", "npm"}, {"yarn yarnpkg", "yarnpkg"},
	{"python", "python3"}, {"pip", "python3-pip"}, {"gunicorn", "gunicorn"}, {"uvicorn", "uvicorn"},
	{"hypercorn", "hypercorn"}, {"flask", "python3-flask"},
	{"ruby", "ruby"}, {"bundle bundler", "bundler"}, {"rackup rack", "ruby-rackup"}, {"puma", "puma"}, {"rake", "rake"},
	{"php", "php-cli"}, {"perl", "perl"}, {"sh dash", "dash"}, {"bash", "bash"}, {"zsh", "zsh"}, {"fish", "fish"},
	{"ksh", "ksh93u+m"}, {"busybox", "busybox"},
	{"java", "default-jre-headless"}, {"lua", "lua5.4"}, {"luajit", "luajit"}, {"guile", "guile-3.0"}, {"tclsh", "tcl"},
	{"Rscript R", "r-base-core"},
	{"elixir mix", "elixir"}, {"erl escript", "erlang-base"}, {"go", "golang-go"}, {"plackup", "libplack-perl"},
	{"nginx", "nginx-light"}, {"haproxy", "haproxy"}, {"caddy", "caddy"},
}

// otherPackages has for a program that Debian does not package another way to install it.
var otherPackages = [...][2]string{
	{"bun", "npm install -g bun"}, {"deno", "npm install -g deno"}, {"tsx", "npm install -g tsx"},
	{"pnpm", "npm install -g pnpm"}, {"ts-node", "npm install -g ts-node"},
	{"uv", "pip install uv"}, {"poetry", "pip install poetry"},
}
