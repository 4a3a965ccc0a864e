const { WebSocketServer } = require('ws')
const server = new WebSocketServer({ port: PORT })
server.on('connection', socket => socket.on('message', data => socket.send(data.toString())))
