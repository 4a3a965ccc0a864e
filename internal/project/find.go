package project

import (
	"encoding/json"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"relevo/internal/lazyregexp"
)

// Directory is what Find looks at.
type Directory struct {
	Files     fs.FS
	Installed func(program string) bool // in PATH
}

// Project is how the app of a directory is run.
type Project struct {
	Kind    string   // for people
	Command []string // of each worker
	Dir     string   // below the directory; empty: the directory itself
	Listen  string   // address that relevo has to open; empty: the program binds its own
	Package string   // of Go, which relevo dev builds
	Notes   []string // for the person who reads the configuration
}

// Find tells what a directory has. The first kind that fits counts.
func Find(d Directory) (Project, bool) {
	for _, kind := range []func(Directory) (Project, bool){node, python, ruby, golang, php, script, static} {
		if p, is := kind(d); is {
			return p, true
		}
	}
	return Project{}, false
}

func (d Directory) has(name string) bool {
	info, err := fs.Stat(d.Files, name)
	return err == nil && info.Mode().IsRegular()
}

func (d Directory) text(name string) string {
	text, _ := fs.ReadFile(d.Files, name)
	return string(text)
}

// first is the first of some files that is there.
func (d Directory) first(names ...string) string {
	if i := slices.IndexFunc(names, d.has); i >= 0 {
		return names[i]
	}
	return ""
}

// program is an installed program, of the project's own environment if it is there.
func (d Directory) program(name string) string {
	for _, place := range []string{".venv/bin/", "venv/bin/"} {
		if d.has(place + name) {
			return "./" + place + name
		}
	}
	if d.Installed != nil && d.Installed(name) {
		return name
	}
	return ""
}

// manifest is what is read of a package.json.
type manifest struct {
	Main    string
	Scripts map[string]string
}

func (d Directory) manifest() (m manifest, is bool) {
	err := json.Unmarshal([]byte(d.text("package.json")), &m)
	return m, err == nil
}

func node(d Directory) (Project, bool) {
	m, is := d.manifest()
	if !is {
		return Project{}, false
	}
	if m.Scripts["start"] != "" {
		return Project{Kind: "a package of Node with a start script", Command: []string{"npm", "start"},
			Notes: []string{"relevo runs the text of the start script; npm does not run beside it"}}, true
	}
	main := d.first("app.js", "server.js", "index.js", "main.js", "app.mjs", "server.mjs", "index.mjs", "app.ts",
		"server.ts", "index.ts", "src/index.js", "src/server.js")
	if m.Main != "" && d.has(path.Clean(m.Main)) {
		main = path.Clean(m.Main)
	}
	return Project{Kind: "a package of Node", Command: []string{main}}, main != ""
}

const django = "manage.py"

func python(d Directory) (Project, bool) {
	application := Application(d.Files, false)
	async := application != "" && isAsync(d.Files, application)
	gunicorn, uvicorn := d.program("gunicorn"), d.program("uvicorn")
	switch {
	case application != "" && async && uvicorn != "":
		return Project{Kind: "an application for uvicorn",
			Command: []string{uvicorn, "--host", "127.0.0.1", "--port", "8000", application}}, true
	case application != "" && !async && gunicorn != "":
		return Project{Kind: "an application for gunicorn",
			Command: []string{gunicorn, "--bind", "127.0.0.1:8000", application},
			Notes:   []string{"each worker is a gunicorn with one process"}}, true
	case d.has(django):
		return Project{Kind: "a project of Django", Command: []string{django, "runserver", "--noreload", "127.0.0.1:8000"},
			Notes: []string{"runserver is for development: gunicorn is not installed here"}}, true
	}
	main := d.first("app.py", "main.py", "server.py", "wsgi.py")
	return Project{Kind: "a program in Python", Command: []string{main}}, main != ""
}

func ruby(d Directory) (Project, bool) {
	if d.has("config.ru") {
		return Project{Kind: "an application for Rack", Command: []string{"config.ru"},
			Notes: []string{"relevo runs rackup or puma, as Gemfile.lock says"}}, true
	}
	main := d.first("app.rb", "main.rb", "server.rb")
	return Project{Kind: "a program in Ruby", Command: []string{main}}, main != "" && d.has("Gemfile")
}

var packageMain = lazyregexp.New(`(?m)^package main\b`)

// isMain says whether a directory holds a program in Go.
func (d Directory) isMain(dir string) bool {
	files, _ := fs.Glob(d.Files, path.Join(dir, "*.go"))
	return slices.ContainsFunc(files, func(name string) bool {
		return !strings.HasSuffix(name, "_test.go") && packageMain.MatchString(d.text(name))
	})
}

var modulePath = lazyregexp.New(`(?m)^module\s+"?([^\s"]+)`)

func golang(d Directory) (Project, bool) {
	module := modulePath.FindStringSubmatch(d.text("go.mod"))
	if module == nil {
		return Project{}, false
	}
	p := Project{Kind: "a program in Go"}
	name := path.Base(module[1])
	if version := regexp.MustCompile(`^v[0-9]+$`); version.MatchString(name) {
		name = path.Base(path.Dir(module[1]))
	}
	commands, _ := fs.Glob(d.Files, "cmd/*")
	commands = slices.DeleteFunc(commands, func(dir string) bool { return !d.isMain(dir) })
	switch {
	case d.isMain("."):
		p.Package = "."
	case len(commands) > 0:
		p.Package, name = "./"+commands[0], path.Base(commands[0])
	default:
		return Project{}, false
	}
	if len(commands) > 1 {
		p.Notes = append(p.Notes, "there are other programs, too: "+strings.Join(commands, ", "))
	}
	p.Command = []string{"./bin/" + name}
	p.Notes = append(p.Notes, "go build -o bin/"+name+" "+p.Package+" builds it; relevo dev builds by itself")
	return p, true
}

func php(d Directory) (Project, bool) {
	p := Project{Kind: "an application in PHP", Command: []string{"index.php"},
		Notes: []string{"relevo runs php -S on 127.0.0.1:8000, or on the first address of listen"}}
	if d.has("public/index.php") {
		p.Dir = "public"
	}
	return p, p.Dir != "" || d.has("index.php")
}

var scriptEndings = []string{".js", ".mjs", ".cjs", ".ts", ".py", ".rb", ".pl", ".sh", ".php"}

// script is the only script of a directory.
func script(d Directory) (Project, bool) {
	names, _ := fs.Glob(d.Files, "*")
	names = slices.DeleteFunc(names, func(name string) bool {
		return !d.has(name) || strings.HasPrefix(name, ".") || strings.Contains(name, ".conf") ||
			!slices.Contains(scriptEndings, path.Ext(name)) && !strings.HasPrefix(d.text(name), "#!")
	})
	if len(names) != 1 {
		return Project{}, false
	}
	command := names[0]
	if !slices.Contains(scriptEndings, path.Ext(command)) {
		command = "./" + command
	}
	return Project{Kind: "a script", Command: []string{command}}, true
}

// static is a directory of files for the browser.
func static(d Directory) (Project, bool) {
	_, packaged := d.manifest()
	for _, dir := range []string{"dist", "build", "out", "public", "_site", "site", "."} {
		if !d.has(path.Join(dir, "index.html")) {
			continue
		}
		p := Project{Kind: "a static site", Command: []string{"relevo", "serve", dir}, Listen: "127.0.0.1:8080"}
		if packaged && dir != "public" && dir != "." {
			p.Kind = "a single-page app"
			p.Command = []string{"relevo", "serve", "--spa", dir}
		}
		return p, true
	}
	return Project{}, false
}
