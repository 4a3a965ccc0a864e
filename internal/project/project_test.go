package project_test

import (
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
