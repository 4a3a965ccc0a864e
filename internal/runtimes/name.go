package runtimes

import (
	"path/filepath"
	"slices"
	"strings"
)

// AppName makes the name of an app from its command line and its working directory. The
// app is named after its script. If there is no script, or many apps call theirs so, it is
// named after the directory, and if that says nothing, after the program.
func AppName(args []string, dir string) string {
	if len(args) == 0 {
		return ""
	}
	at := Parse(args)
	if at.Runtime == "" && at.Script == 0 && at.Module == "" {
		if behind := interpreterWithin(args, at.Program); behind > 0 {
			args = args[behind:]
			at = Parse(args)
		}
	}
	program := filepath.Base(args[at.Program])
	switch {
	case at.Script > 0 && (at.Runtime != "" || isScript(program)):
		script := args[at.Script]
		name := stem(script)
		if name == "" || !isScript(script) && slices.Contains(commonDirectories[:], strings.ToLower(name)) {
			return or(placeName(filepath.Join(under(dir, script), "x")), or(name, program)) // a directory, as in "node ."
		}
		if slices.Contains(commonScripts[:], strings.ToLower(name)) {
			return or(placeName(under(dir, script)), or(name, program))
		}
		return name
	case at.Module != "":
		name := strings.TrimSuffix(at.Module, ".__main__")
		if slices.Contains(commonScripts[:], name) || slices.Contains(servers[:], name) {
			return or(placeName(filepath.Join(dir, "x")), name)
		}
		return name
	case at.Runtime != "", slices.Contains(servers[:], program):
		return or(placeName(filepath.Join(dir, "x")), program)
	}
	return program
}

// interpreterWithin returns the index of an interpreter with a script among the arguments
// of an unknown program, which probably starts it; 0: there is none.
func interpreterWithin(args []string, program int) int {
	for i := program + 1; i < len(args); i++ {
		if at := Parse(args[i:]); at.Runtime != "" && at.Program == 0 &&
			(at.Module != "" || at.Script > 0 && isScript(args[i+at.Script])) {
			return i
		}
	}
	return 0
}

// stem is the name of a script without directories and without the ending of its language.
func stem(script string) string {
	name := filepath.Base(script)
	if ending := filepath.Ext(name); slices.Contains(endings[:], ending) {
		name = strings.TrimSuffix(name, ending)
	}
	return strings.Trim(name, "./")
}

// isScript says whether a name has the ending of a script.
func isScript(name string) bool { return slices.Contains(endings[:], filepath.Ext(name)) }

// placeName is the name of the nearest directory above a file that can tell apps apart.
// Usual names within an app, and directories at the top of the file system, cannot.
func placeName(path string) string {
	for dir := filepath.Dir(filepath.Clean(path)); ; dir = filepath.Dir(dir) {
		above, name := filepath.Dir(dir), filepath.Base(dir)
		if above == dir || dir == "." || above == "/" && slices.Contains(topDirectories[:], name) {
			return ""
		}
		if !slices.Contains(commonDirectories[:], strings.ToLower(name)) && strings.Trim(name, "0123456789-_.Tv") != "" {
			return name
		}
	}
}

func under(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// commonScripts are names that the scripts of many apps have.
var commonScripts = [...]string{
	"app", "application", "main", "__main__", "index", "server", "serve", "start", "run", "cli", "bin", "www", "web",
	"wsgi", "asgi", "manage", "boot", "entrypoint",
	"mod", "init", "service", "master",
}

// commonDirectories are directories within an app.
var commonDirectories = [...]string{
	"src", "dist", "build", "bin", "lib", "out", "output", "target", "release", "releases", "current", "latest", "live",
	"previous", "public", "server", "app", "www",
	"htdocs", "html", "script", "scripts", "js", "esm", "cjs", ".output", ".next", "standalone", "node_modules", "vendor",
	"code",
}

var topDirectories = [...]string{"app", "bin", "code", "data", "etc", "home", "mnt", "opt", "root", "run", "sbin",
	"srv", "tmp", "usr", "var", "work", "workspace"}

var endings = [...]string{
	".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".py", ".pyc", ".pyz", ".rb", ".ru", ".php", ".phar",
	".pl", ".psgi", ".sh", ".bash", ".zsh", ".fish",
	".jar", ".dll", ".lua", ".R", ".r", ".tcl", ".scm", ".ex", ".exs", ".escript",
}

// servers run an app that is not their own: an argument, the directory or package.json
// says which.
var servers = [...]string{
	"gunicorn", "uvicorn", "hypercorn", "daphne", "granian", "waitress-serve", "waitress", "uwsgi", "flask", "celery",
	"http.server", "django", "fastapi",
	"puma", "unicorn", "rackup", "rails", "thin", "falcon", "passenger", "sidekiq", "rake",
	"npm", "npx", "yarn", "pnpm", "pnpx", "bunx", "next", "nuxt", "vite", "plackup", "starman", "artisan",
}
