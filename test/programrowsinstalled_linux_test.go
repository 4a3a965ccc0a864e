package test

// shortDrain bounds how long connections last that relevo can only cut.
const shortDrain = "--drain-timeout 2s"

// installedPrograms are those that .ci/programs installs.
var installedPrograms = []unmodified{
	{name: "express", needs: "node", module: "express", folder: "express", command: "node app.js"},
	{name: "fastify", needs: "node", module: "fastify", folder: "fastify", command: "node app.js"},
	{name: "koa", needs: "node", module: "koa", folder: "koa", command: "node app.mjs"},
	{name: "nest", needs: "node", module: "@nestjs/core", folder: "nest", command: "node main.mjs"},
	{name: "next", needs: "next", folder: "next", command: "next start -p PORT"},
	{name: "tsx", needs: "tsx", folder: "tsx", command: "tsx app.ts"},
	{name: "npm start", needs: "npm", folder: "npmstart", command: "npm start"},
	{name: "bun", needs: "bun", folder: "bun", command: "bun app.js"},
	{name: "deno", needs: "deno", folder: "deno", command: "deno run --allow-net app.ts"},
	{name: "ws", needs: "node", module: "ws", folder: "ws", command: "node app.js", flags: shortDrain, protocol: "websocket", cuts: true},
	{name: "socket.io, WebSockets", needs: "node", module: "socket.io", folder: "socketio", command: "node app.js", flags: shortDrain, protocol: "socket.io", cuts: true},
	{name: "gunicorn, threads", needs: "gunicorn", command: "gunicorn --threads 4 -b 127.0.0.1:PORT wsgi:app", files: map[string]string{"wsgi.py": wsgi}},
	{name: "gunicorn -w 4", needs: "gunicorn", command: "gunicorn -w 4 -b 127.0.0.1:PORT wsgi:app", files: map[string]string{"wsgi.py": wsgi}},
	{name: "gunicorn --reuse-port", needs: "gunicorn", command: "gunicorn --reuse-port -b 127.0.0.1:PORT wsgi:app", files: map[string]string{"wsgi.py": wsgi}},
	{name: "hypercorn", clients: manyClients, needs: "hypercorn", command: "hypercorn -b 127.0.0.1:PORT asgi:app", files: map[string]string{"asgi.py": asgiReads}},
	{name: "django runserver", needs: "/usr/bin/python3", module: "django", folder: "django", command: "/usr/bin/python3 manage.py runserver PORT"},
	{name: "rackup", needs: "rackup", command: "rackup -p PORT config.ru", files: map[string]string{"config.ru": rack}},
	{name: "webrick", clients: manyClients, needs: "ruby", command: "ruby -run -e httpd . -p PORT", files: map[string]string{"index.html": "ok\n"}},
	{name: "php-fpm, behind nginx", needs: "php-fpm nginx", folder: "php-fpm", command: "php-fpm -F -R -y fpm.conf", gateway: "nginx -p . -c gateway.conf"},
	{name: "caddy file-server", needs: "caddy", command: "caddy file-server --listen 127.0.0.1:PORT", files: map[string]string{"index.html": "ok\n"}},
	{name: "Go fasthttp", needs: "fasthttp", command: "fasthttp 127.0.0.1:PORT"},
	{name: "Go tableflip", needs: "tableflip", command: "tableflip 127.0.0.1:PORT"},
	{name: "Go TLS, HTTP/1.1", needs: "tls", command: "tls 127.0.0.1:PORT", flags: shortDrain, protocol: "https", cuts: true},
	{name: "Go TLS, HTTP/2", needs: "tls", command: "tls 127.0.0.1:PORT", flags: shortDrain, protocol: "h2", cuts: true},
	{name: "gRPC", needs: "grpc", command: "grpc 127.0.0.1:PORT", flags: shortDrain, protocol: "grpc", cuts: true},
	{name: "gRPC with the SDK", needs: "go-grpc", command: "go-grpc", flags: "-l 127.0.0.1:PORT", protocol: "grpc"},
	{name: "java Single.java", clients: manyClients, needs: "java", folder: "java", command: "java Single.java PORT"},
	{name: "lines over TCP", needs: "node", folder: "lines", command: "node app.js", flags: shortDrain, protocol: "lines", cuts: true},
	{name: "echo over UDP", needs: "node", folder: "udp", command: "node app.js", protocol: "udp", drops: true},
	{name: "queue worker", needs: "python3", folder: "queue", command: "python3 worker.py", protocol: "queue", silent: true},
}
