const app = require('express')()
app.get('/', (request, response) => response.send('ok\n'))
app.listen(PORT)
