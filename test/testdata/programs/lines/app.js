// Answers each line with the same line.
require('net').createServer(connection => connection.pipe(connection)).listen(PORT)
