// Real servers for the benchmarks, started as the tests start theirs.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './load.mjs'

/** Where `node test/setup/prepare.mjs` put the servers. */
export function serverParts() {
  try {
    return JSON.parse(readFileSync(join(root, '.test-servers/parts.json'), 'utf8'))
  } catch {
    throw new Error('The servers are not there: node test/setup/prepare.mjs')
  }
}

/**
 * An OpenBao in memory, over TLS, with an authority of its own.
 * @param support the tests' own `test/support/bao.ts`
 */
export async function startVault({ startBao }, name) {
  const server = await startBao({ binary: serverParts().bao, name, tls: true })
  return { ...server, ca: readFileSync(server.caFile, 'utf8') }
}

/** AWS Secrets Manager by moto. @param support the tests' own `test/support/servers.ts` */
export async function startMoto({ startServer }) {
  const { port, stop } = await startServer({
    command: serverParts().moto,
    args: (port) => ['-H', '127.0.0.1', '-p', String(port)],
    env: { HOME: join(root, '.test-servers/home') },
    answers: async (port) => (await fetch(`http://127.0.0.1:${port}/moto-api/`)).ok,
  })
  return { url: `http://127.0.0.1:${port}`, stop }
}
