Bun.serve({ port: PORT, fetch: () => new Response('ok\n') })
