import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'

createServer((request: IncomingMessage, response: ServerResponse) => response.end('ok\n')).listen(PORT)
