// Serves what was built: files of dist/client, and everything else by the built server.
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname } from 'node:path'
import { Readable } from 'node:stream'
import app from './dist/server/server.js'

const client = new URL('dist/client/', import.meta.url)
const types = { '.js': 'text/javascript', '.css': 'text/css', '.html': 'text/html' }

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://localhost')
  // `URL` has taken the dots out of the path, so it stays below dist/client/.
  const path = `.${url.pathname}${extname(url.pathname) ? '' : '/index.html'}`
  const file = await readFile(new URL(path, client)).catch(() => undefined)
  if (file) {
    response.setHeader('content-type', types[extname(path)] ?? 'application/octet-stream')
    response.end(file)
    return
  }
  const answer = await app.fetch(new Request(url, { method: request.method, headers: request.headers }))
  response.writeHead(answer.status, [...answer.headers].flat())
  if (answer.body) Readable.fromWeb(answer.body).pipe(response)
  else response.end()
})
server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1')
