const { Server } = require('socket.io')
const io = new Server(PORT, { transports: ['polling'] })
io.on('connection', socket => socket.on('echo', word => socket.emit('echo', word)))
