// One server of `bench/server.mjs`, alone in its process: it says where it listens, and its CPU time when it is asked.
import { serve as serveFetch } from '@hono/node-server'
import { Hono } from 'hono'

const [arm, entry, databaseUrl, answer] = process.argv.slice(2)
const started = { ours, answers, reads }[arm]
if (!started) throw new Error(`no arm ${arm}`)
const url = await started()
process.send({ url })
process.on('message', (said) => {
  if (said === 'end') process.exit(0)
  const { user, system } = process.cpuUsage()
  process.send({ cpu: (user + system) / 1e6 })
})

async function ours() {
  const { serve } = await import(entry)
  // The limit counts, and is never reached.
  const { url } = await serve({ port: 0, databaseUrl, rateLimit: 1_000_000_000 })
  return url
}

/** The least that Hono can do on the same Node server: an answer of the same bytes. */
function answers() {
  const app = new Hono()
  const body = JSON.parse(answer)
  app.post('/api/v1/secrets/pull', (context) => context.json(body))
  return listen(app)
}

/** The same, after it has looked at what it was asked. */
function reads() {
  const app = new Hono()
  const body = JSON.parse(answer)
  app.post('/api/v1/secrets/pull', async (context) => {
    const { environment } = await context.req.json()
    return environment === 'production' ? context.json(body) : context.notFound()
  })
  return listen(app)
}

function listen(app) {
  return new Promise((resolve) => {
    serveFetch({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
      resolve(`http://127.0.0.1:${port}`),
    )
  })
}
