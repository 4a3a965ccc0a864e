Deno.serve({ port: PORT }, () => new Response('ok\n'))
