const { Server } = require('socket.io')
const io = new Server(PORT, { transports: ['websocket'] })
io.on('connection', socket => socket.on('echo', word => socket.emit('echo', word)))
