package project

import (
	"io/fs"
	"path"
	"strings"

	"relevo/internal/lazyregexp"
)

// callable is the line of a module that makes what gunicorn and uvicorn serve.
var callable = lazyregexp.New(`(?m)^(application|app|api|asgi)\s*(?::[^=\n]+)?=|^(?:async )?def ` +
	`(application|app)\(`)

// Application finds what a Python server serves of a directory, MODULE:NAME; empty: nothing. Of
// Django there is a module for each of the two kinds, wsgi and asgi.
func Application(dir fs.FS, async bool) string {
	names := []string{"wsgi.py", "app.py", "main.py", "application.py", "server.py", "api.py"}
	packages, _ := fs.Glob(dir, "*/wsgi.py")
	if async {
		names[0] = "asgi.py"
		packages, _ = fs.Glob(dir, "*/asgi.py")
	}
	for _, name := range append(names, packages...) {
		text, err := fs.ReadFile(dir, name)
		found := callable.FindSubmatch(text)
		if err != nil || found == nil || strings.HasPrefix(path.Dir(name), ".") && path.Dir(name) != "." {
			continue
		}
		module := strings.ReplaceAll(strings.TrimSuffix(name, ".py"), "/", ".")
		return module + ":" + string(found[1]) + string(found[2])
	}
	return ""
}

// asyncApp is what makes an application one for uvicorn.
var asyncApp = lazyregexp.New(`(?m)\b(FastAPI|Starlette|Litestar|Quart|get_asgi_application)\b|^async def app\(`)

// isAsync says whether a module of the directory makes an application for uvicorn.
func isAsync(dir fs.FS, application string) bool {
	module, _, _ := strings.Cut(application, ":")
	text, err := fs.ReadFile(dir, strings.ReplaceAll(module, ".", "/")+".py")
	return err == nil && asyncApp.Match(text)
}
