import { createServer } from 'node:http'
import { DATABASE_URL, STRIPE_KEY } from 'virtual:secrets/server'

/** Shows that a value is there without showing it. */
const shape = (text: string): string => `${text.length} characters, ends in …${text.slice(-2)}`

export function report(): Record<string, string> {
  return {
    DATABASE_URL: shape(DATABASE_URL),
    STRIPE_KEY: shape(STRIPE_KEY),
    API_URL: import.meta.env.API_URL,
  }
}

const port = Number(process.env.PORT)
if (port) {
  createServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(report()))
  }).listen(port, '127.0.0.1', () => console.log(`listening on ${port}`))
} else if (process.argv.includes('--once')) {
  console.log(JSON.stringify(report()))
}
