package main

// app is what peers serve: it answers every request with the pid of its process.
type app struct {
	file      string
	good, bad string
}

var (
	nodeApp = app{
		file: "app.js",
		good: `require('http').createServer((q, r) => r.end(process.pid + '\n')).listen(+process.env.PORT || 0, '127.0.0.1')
`,
		bad: "throw new Error('a bad release')\n",
	}
	// activatedApp is the same, for the socket that systemd hands it.
	activatedApp = app{
		file: "app.js",
		good: "require('http').createServer((q, r) => r.end(process.pid + '\\n')).listen({ fd: 3 })\n",
		bad:  nodeApp.bad,
	}
	pythonApp = app{
		file: "wsgi.py",
		good: `import os

def app(environ, start):
    body = b'%d\n' % os.getpid()
    start('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', str(len(body)))])
    return [body]
`,
		bad: `raise Exception('a bad release')
`,
	}
	rubyApp = app{
		file: "config.ru",
		good: `run ->(env) {
  body = "#{Process.pid}\n"
  [200, {'content-type' => 'text/plain', 'content-length' => body.bytesize.to_s}, [body]]
}
`,
		bad: `raise 'a bad release'
`,
	}
)

// nodePrimary is a primary as the documentation of Node's cluster module has it: it starts a
// process again that has died, and replaces all of them at SIGHUP, each when its successor
// listens.
const nodePrimary = `const cluster = require('cluster')
const { once } = require('events')
if (process.env.POLICY === 'none') cluster.schedulingPolicy = cluster.SCHED_NONE
cluster.setupPrimary({ exec: 'app.js' })
for (let i = 0; i < 4; i++) cluster.fork()
cluster.on('exit', w => { if (!w.exitedAfterDisconnect) cluster.fork() })
process.on('SIGHUP', async () => {
  for (const old of Object.values(cluster.workers)) {
    const next = cluster.fork()
    await once(next, 'listening')
    old.disconnect()
  }
})
`

// recluster does the same by a package.
const reclusterPrimary = `const cluster = require('recluster')(__dirname + '/app.js', { workers: 4, timeout: 5 })
cluster.run()
process.on('SIGHUP', () => cluster.reload())
`
