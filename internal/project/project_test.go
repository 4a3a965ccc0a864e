package project_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"relevo/internal/project"
)

func files(all map[string]string) fstest.MapFS {
	dir := fstest.MapFS{}
	for name, text := range all {
		dir[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o644}
	}
	return dir
}

func TestApplication(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		files map[string]string
		async bool
		want  string
	}{
		{nil, false, ""},
		{map[string]string{"app.py": "import x\napp = Flask(__name__)\n"}, false, "app:app"},
		{map[string]string{"app.py": "app: Flask = Flask(__name__)\n"}, false, "app:app"},
		{map[string]string{"app.py": "def application(environ, start):\n"}, false, "app:application"},
		{map[string]string{"app.py": "print('app = 1')\n  app = 1\n", "main.py": "app = FastAPI()\n"}, true, "main:app"},
		{map[string]string{"wsgi.py": "application = x()\n", "app.py": "app = 1\n"}, false, "wsgi:application"},
		{map[string]string{"manage.py": "", "shop/wsgi.py": "application = get_wsgi_application()\n",
			"shop/asgi.py": "application = get_asgi_application()\n"}, false, "shop.wsgi:application"},
		{map[string]string{"shop/wsgi.py": "application = 1\n", "shop/asgi.py": "application = 1\n"}, true,
			"shop.asgi:application"},
		{map[string]string{".venv/wsgi.py": "application = 1\n"}, false, ""},
	} {
		if got := project.Application(files(c.files), c.async); got != c.want {
			t.Errorf("%v, async %v: %q, want %q", c.files, c.async, got, c.want)
		}
	}
}

func TestFind(t *testing.T) {
	t.Parallel()
	module := "module example.org/shop/v2\n\ngo 1.26\n"
	for name, c := range map[string]struct {
		files   map[string]string
		want    string // the command; empty: nothing is found
		text    string // in relevo.toml
		without bool   // gunicorn and uvicorn are not installed
	}{
		"nothing":      {nil, "", "", false},
		"start script": {map[string]string{"package.json": `{"scripts":{"start":"node x.js"}}`}, "npm start", "", false},
		"main file": {map[string]string{"package.json": `{"main":"./lib/x.js"}`, "lib/x.js": ""}, "lib/x.js", "",
			false},
		"known file": {map[string]string{"package.json": `{"main":"gone.js"}`, "server.js": ""}, "server.js", "",
			false},
		"broken manifest": {map[string]string{"package.json": `{`, "app.py": ""}, "app.py", "", false},
		"tools of Django": {map[string]string{"package.json": `{}`, "manage.py": ""}, "manage.py runserver --noreload " +
			"127.0.0.1:8000", "", true},
		"Django": {map[string]string{"manage.py": "", "shop/wsgi.py": "application = 1\n"}, "gunicorn --bind " +
			"127.0.0.1:8000 shop.wsgi:application", "", false},
		"Flask": {map[string]string{"app.py": "app = Flask()\n"}, "gunicorn --bind 127.0.0.1:8000 app:app", "",
			false},
		"Flask alone": {map[string]string{"app.py": "app = Flask()\n"}, "app.py", "", true},
		"FastAPI": {map[string]string{"main.py": "app = FastAPI()\n"}, "uvicorn --host 127.0.0.1 --port 8000 " +
			"main:app", "", false},
		"environment": {map[string]string{"app.py": "app = 1\n", ".venv/bin/gunicorn": ""}, "./.venv/bin/gunicorn " +
			"--bind 127.0.0.1:8000 app:app", "", true},
		"Rack": {map[string]string{"Gemfile": "", "config.ru": ""}, "config.ru", "", false},
		"Ruby": {map[string]string{"Gemfile": "", "app.rb": ""}, "app.rb", "", false},
		"Go": {map[string]string{"go.mod": module, "main.go": "package main\n"}, "./bin/shop",
			"[dev]\npackage = \".\"", false},
		"Go commands": {map[string]string{"go.mod": module, "cmd/a/a.go": "// A.\npackage main\n",
			"cmd/b/b.go": "package main\n", "cmd/c/c_test.go": "package main\n"}, "./bin/a", "cmd/a, cmd/b.", false},
		"Go library": {map[string]string{"go.mod": module, "x.go": "package shop\n"}, "", "", false},
		"PHP":        {map[string]string{"index.php": ""}, "index.php", "", false},
		"Laravel": {map[string]string{"composer.json": "{}", "public/index.php": ""}, "index.php", `directory = ` +
			`"public"`, false},
		"lone script":  {map[string]string{"tick.sh": "", "README.md": ""}, "tick.sh", "", false},
		"lone program": {map[string]string{"tick": "#!/bin/sh\n"}, "./tick", "", false},
		"two scripts":  {map[string]string{"a.sh": "", "b.sh": ""}, "", "", false},
		"static site":  {map[string]string{"index.html": ""}, "relevo serve .", `listen = ["127.0.0.1:8080"]`, false},
		"built site":   {map[string]string{"_site/index.html": ""}, "relevo serve _site", "", false},
		"single-page app": {map[string]string{"package.json": `{"scripts":{"build":"vite"}}`, "dist/index.html": ""},
			"relevo serve --spa dist", "", false},
		"its sources alone": {map[string]string{"package.json": `{"scripts":{"build":"vite"}}`}, "", "", false},
	} {
		p, is := project.Find(project.Directory{Files: files(c.files), Installed: func(string) bool { return !c.without }})
		if got := strings.Join(p.Command, " "); is != (c.want != "") || is && got != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got, is, c.want)
		}
		if is && !strings.Contains(string(p.TOML("shop")), c.text) {
			t.Errorf("%s: no %s in\n%s", name, c.text, p.TOML("shop"))
		}
	}
}
