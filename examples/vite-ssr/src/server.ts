import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname } from 'node:path'
import { render } from './render.ts'

// Server entry: built to dist/server/, beside dist/client/.
const client = new URL('../client/', import.meta.url)
const page = await readFile(new URL('index.html', client), 'utf8')
const types: Record<string, string> = { '.js': 'text/javascript', '.css': 'text/css' }

const server = createServer(async (request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost')
  if (pathname.startsWith('/assets/')) {
    // `URL` has taken the dots out of the path, so it stays below dist/client/.
    const asset = await readFile(new URL(`.${pathname}`, client)).catch(() => undefined)
    response.statusCode = asset ? 200 : 404
    response.setHeader('content-type', types[extname(pathname)] ?? 'application/octet-stream')
    response.end(asset)
    return
  }
  response.setHeader('content-type', 'text/html')
  response.end(page.replace('<!--app-->', render()))
})
server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
})
