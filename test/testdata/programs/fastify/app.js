const app = require('fastify')()
app.get('/', async () => 'ok\n')
app.listen({ port: PORT })
