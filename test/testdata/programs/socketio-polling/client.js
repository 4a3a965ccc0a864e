// Clients that poll, each from an address of its own on the loopback: node client.js PORT.
// It prints how many words came back, and how many clients were told that nobody knows them.
const http = require('http')
const { io } = require('socket.io-client')
const clients = 32, words = 20
let echoed = 0, lost = 0, ended = 0

function end() {
  if (++ended < clients) return
  console.log(JSON.stringify({ clients, words: clients * words, echoed, lost }))
  process.exit(0)
}

for (let i = 0; i < clients; i++) {
  const agent = new http.Agent({ localAddress: `127.0.1.${i + 1}` }) // each request on a connection of its own
  const socket = io(`http://127.0.0.1:${process.argv[2]}`, { transports: ['polling'], reconnection: false, forceNew: true, agent })
  let word = 0
  const next = () => socket.emit('echo', `${i} ${word}`)
  socket.on('connect', next)
  socket.on('echo', answer => {
    if (answer === `${i} ${word}`) echoed++
    if (++word < words) return next()
    socket.off('disconnect')
    socket.close()
    end()
  })
  const fail = () => { lost++; end() }
  socket.on('connect_error', fail)
  socket.on('disconnect', fail)
}
