// Usage: relevo run -l :8080 -- node examples/node/server.mjs   (needs Node 18 or newer)
import http from 'node:http'
import net from 'node:net'

const grace = 5000 // ms without a request, after which a connection is closed
let draining = false
const fresh = new Set() // connections without a request so far

const server = http.createServer((req, res) => {
  fresh.delete(req.socket)
  if (draining) res.setHeader('Connection', 'close')
  res.end(`worker ${process.env.RELEVO_SLOT} generation ${process.env.RELEVO_GENERATION} pid ${process.pid}\n`)
})
server.keepAliveTimeout = grace // Node counts it for each connection from its last response
server.on('connection', (socket) => {
  fresh.add(socket)
  socket.on('close', () => fresh.delete(socket))
})

function drain() {
  if (draining) process.exit(1) // a second signal forces
  draining = true
  // http.Server's own close also closes idle connections at once, requests on their way or not.
  net.Server.prototype.close.call(server, () => process.exit(0)) // when the last connection has gone
  setTimeout(() => fresh.forEach((socket) => socket.destroy()), grace).unref()
}
process.on('SIGTERM', drain).on('SIGINT', drain)

// Descriptor 3 is the master's first listener.
const where = process.env.LISTEN_FDS ? { fd: 3 } : { port: 8080 }
server.listen(where, () => process.send?.({ relevo: 'ready' }))
