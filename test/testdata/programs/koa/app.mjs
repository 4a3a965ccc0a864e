import Koa from 'koa'
const app = new Koa()
app.use(context => { context.body = 'ok\n' })
app.listen(PORT)
