package test

const (
	wsgi = "def app(env, start):\n    start('200 OK', [('Content-Length', '3')])\n    return [b'ok\\n']\n"
	asgi = `async def app(scope, receive, send):
    if scope['type'] == 'http':
        await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'3')]})
        await send({'type': 'http.response.body', 'body': b'ok\n'})
`
	// hypercorn silently closes a connection whose request it has not read.
	asgiReads = `async def app(scope, receive, send):
    if scope['type'] == 'http':
        while (await receive()).get('more_body'):
            pass
        await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-length', b'3')]})
        await send({'type': 'http.response.body', 'body': b'ok\n'})
`
	rack    = "run ->(env) { [200, {'Content-Type' => 'text/plain', 'Content-Length' => '3'}, [\"ok\\n\"]] }\n"
	flask   = "from flask import Flask\napp = Flask(__name__)\n\n@app.route('/')\ndef index():\n    return 'ok\\n'\n"
	aiohttp = `from aiohttp import web

async def index(request):
    return web.Response(text='ok\n')

def init(argv):
    app = web.Application()
    app.router.add_get('/', index)
    return app
`
	nginx = `daemon off; worker_processes 2; pid nginx.pid; error_log stderr;
events {}
http { access_log off; server { listen 127.0.0.1:PORT; location / { return 200 "ok\n"; } } }
`
	haproxy = `defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
frontend f
  bind 127.0.0.1:PORT
  http-request return status 200 content-type text/plain string ok
`
)

// programs are installed on the machine of each developer (.ci/run installs them).
var programs = []unmodified{
	{name: "Go net/http", command: "./app 127.0.0.1:PORT", workers: 4},
	{name: "node http", needs: "node", command: "node app.js", workers: 4,
		files: map[string]string{"app.js": "require('http').createServer((q, r) => r.end('ok\\n')).listen(PORT)\n"}},
	{name: "python3 -m http.server", needs: "/usr/bin/python3", command: "/usr/bin/python3 -m http.server PORT",
		workers: 4},
	{name: "gunicorn", needs: "gunicorn", command: "gunicorn -b 127.0.0.1:PORT wsgi:app", workers: 4,
		files: map[string]string{"wsgi.py": wsgi}},
	{name: "gunicorn -w 2", needs: "gunicorn", command: "gunicorn -w 2 -b 127.0.0.1:PORT wsgi:app", workers: 2,
		files: map[string]string{"wsgi.py": wsgi}},
	{name: "uvicorn", needs: "uvicorn", command: "uvicorn --port PORT asgi:app", workers: 4,
		files: map[string]string{"asgi.py": asgi}},
	{name: "uvicorn --workers 2", clients: manyClients, needs: "uvicorn",
		command: "uvicorn --workers 2 --port PORT asgi:app", workers: 2, files: map[string]string{"asgi.py": asgi}},
	{name: "flask run", needs: "/usr/bin/python3", module: "flask",
		command: "/usr/bin/python3 -m flask --app flaskapp run -p PORT", workers: 2,
		files: map[string]string{"flaskapp.py": flask}},
	{name: "aiohttp", needs: "/usr/bin/python3", module: "aiohttp",
		command: "/usr/bin/python3 -m aiohttp.web -H 127.0.0.1 -P PORT aioapp:init", workers: 2,
		files: map[string]string{"aioapp.py": aiohttp}},
	{name: "puma", needs: "puma", command: "puma -b tcp://127.0.0.1:PORT config.ru", workers: 2,
		files: map[string]string{"config.ru": rack}},
	{name: "puma -w 2", needs: "puma", command: "puma -w 2 -b tcp://127.0.0.1:PORT config.ru", workers: 2,
		files: map[string]string{"config.ru": rack}},
	{name: "php -S", needs: "php", command: "php -S 127.0.0.1:PORT index.php", workers: 2,
		files: map[string]string{"index.php": "<?php echo \"ok\\n\";\n"}},
	{name: "nginx, 2 processes", needs: "nginx", command: "nginx -p . -c nginx.conf", workers: 2,
		files: map[string]string{"nginx.conf": nginx}},
	{name: "haproxy", needs: "haproxy", command: "haproxy -db -f haproxy.cfg", workers: 2,
		files: map[string]string{"haproxy.cfg": haproxy}},
	{name: "caddy respond", needs: "caddy", command: "caddy respond --listen 127.0.0.1:PORT ok", workers: 2},
}
