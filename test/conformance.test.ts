import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { SecretsManager } from '@aws-sdk/client-secrets-manager'
import { afterAll, inject, vi } from 'vitest'
import { aws } from '../src/providers/aws/index.ts'
import { dotenv } from '../src/providers/dotenv.ts'
import { env } from '../src/providers/env.ts'
import { local } from '../src/providers/local/index.ts'
import { vault } from '../src/providers/vault/index.ts'
import { ODD_VALUES, testProvider } from '../src/testing/index.ts'
import { Bao } from './support/bao.ts'
import { canary } from './support/canary.ts'
import { freePort } from './support/servers.ts'
import { contextFor, makeWorkspace } from './support/workspace.ts'

const place = makeWorkspace()
const { root } = place

afterAll(() => {
  vi.unstubAllEnvs()
  place.remove()
})

/** A folder in the place of the file: nobody can read that, root neither. */
function folderAt(path: string): string {
  mkdirSync(join(root, path), { recursive: true })
  return path
}

testProvider({
  name: 'local',
  create: () => local(),
  async seed(documents) {
    for (const [path, value] of Object.entries(documents))
      await local().write!({ path, value }, contextFor(root))
  },
  context: { root },
  oddPaths: ['__proto__', 'constructor', 'a.b-c_D.1'],
  oddValues: [...ODD_VALUES, '', 'x'.repeat(100_000)],
  broken: {
    malformed() {
      writeFileSync(join(root, 'damaged.vault'), 'USEC but nothing more')
      return { provider: local({ file: 'damaged.vault' }), codes: ['SEAL_BROKEN'] }
    },
  },
})

testProvider({
  name: 'dotenv',
  create: () => dotenv(),
  seed(documents) {
    // No quote stands in all of them, and only single quotes keep a back slash as it is.
    const line = ([name, value]: [string, string]) =>
      `${name}=${/['\n]/.test(value) ? `\`${value}\`` : `'${value}'`}\n`
    writeFileSync(join(root, '.env.local'), Object.entries(documents).map(line).join(''))
  },
  context: { root },
  oddPaths: ['a.b-c_D.1', 'constructor'],
  oddValues: [
    'two\nlines',
    "it's",
    'quote " and \\n back slash',
    '$& $1 ${HOME} #hash </script>',
    'ünïcödé 日本語',
    ' spaces ',
    '',
  ],
  broken: {
    malformed: () => ({
      provider: dotenv({ directory: folderAt('bad/.env') && 'bad' }),
      codes: ['FILE_UNREADABLE'],
    }),
  },
})

testProvider({
  name: 'env',
  create: () => env(),
  seed(documents) {
    for (const [name, value] of Object.entries(documents)) vi.stubEnv(name, value)
  },
  oddPaths: ['with space', 'a.b-c'],
  oddValues: [...ODD_VALUES, ''],
})

// --- Vault, on the real server ------------------------------------------------------------------

const { bao, moto } = inject('servers')
const server = new Bao({ url: bao.url, token: bao.token })
const run = `conformance${randomBytes(4).toString('hex')}`
const asVault = (token: string, url = bao.url) => vault({ url, auth: { method: 'token', token } })
/** A policy that nobody wrote allows nothing; no policy at all would mean the parent's. */
const limited = () => server.token([`${run}-nothing`])

testProvider({
  name: 'vault',
  create: () => asVault(bao.token),
  async seed(documents) {
    for (const [path, value] of Object.entries(documents)) await server.write2('secret', path, { value })
  },
  expected: (value) => ({ value }),
  path: (name) => `${run}/${name}`,
  oddPaths: [`${run}/with space`, `${run}/per%cent?query#hash`, `${run}/ünïcödé`, `${run}/deep/er`],
  oddValues: [...ODD_VALUES, ''],
  broken: {
    unreachable: async () => ({ provider: asVault(bao.token, `http://127.0.0.1:${await freePort()}`) }),
    refused: async () => ({ provider: asVault(await limited()), codes: ['PERMISSION_DENIED'] }),
    malformed: async () => ({
      provider: asVault(bao.token, await fault('<html>')),
      codes: ['RESPONSE_MALFORMED'],
    }),
    slow: async () => ({ provider: asVault(bao.token, await fault(undefined)) }),
    async revoked() {
      await server.policy(run, 'path "secret/data/*" { capabilities = ["read"] }')
      await server.write2('secret', `${run}/revoked`, { value: 'x' })
      const token = await server.token([run])
      const provider = asVault(token)
      await provider.read([{ path: `${run}/revoked`, options: {} }], contextFor(root))
      await server.call('POST', 'auth/token/revoke', { token })
      return { provider, codes: ['TOKEN_INVALID'] }
    },
    async deleted() {
      const path = `${run}/deleted`
      await server.write2('secret', path, { value: 'x' })
      await server.call('DELETE', `secret/data/${path}`)
      return { path, codes: ['DELETED'] }
    },
  },
  forbidden: [bao.token],
})

// --- AWS Secrets Manager, on its stand-in ---------------------------------------------------------

const accessKeyId = canary('AKIA')
const secretAccessKey = canary('sk')
const at = { region: 'eu-west-1', endpoint: moto.url }
const asAws = (endpoint = moto.url) =>
  aws({ ...at, endpoint, auth: { method: 'keys', accessKeyId, secretAccessKey } })
// About the Node version of this test, not about the provider.
vi.stubEnv('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true')
const admin = new SecretsManager({ ...at, credentials: { accessKeyId, secretAccessKey } })

testProvider({
  name: 'aws',
  create: () => asAws(),
  async seed(documents) {
    for (const [Name, SecretString] of Object.entries(documents))
      await admin.createSecret({ Name, SecretString })
  },
  path: (name) => `${run}/${name}`,
  oddPaths: [`${run}/a_b+c=d.e@f-g`],
  oddValues: [...ODD_VALUES],
  broken: {
    unreachable: async () => ({ provider: asAws(`http://127.0.0.1:${await freePort()}`) }),
    refused: async () => ({ provider: asAws(await fault(refusal('AccessDeniedException'), 400)) }),
    malformed: async () => ({ provider: asAws(await fault('<html>')), codes: ['RESPONSE_MALFORMED'] }),
    slow: async () => ({ provider: asAws(await fault(undefined)) }),
    revoked: async () => ({ provider: asAws(await fault(refusal('ExpiredTokenException'), 400)) }),
    async deleted() {
      const path = `${run}/deleted`
      await admin.createSecret({ Name: path, SecretString: 'x' })
      await admin.deleteSecret({ SecretId: path })
      return { path, codes: ['DELETED'] }
    },
  },
  forbidden: [accessKeyId, secretAccessKey],
})

const faults: Server[] = []

/** A server that gives this answer to everything, or none at all. */
async function fault(body: string | undefined, status = 200): Promise<string> {
  const made = createServer((request, response) => {
    request.resume()
    if (body !== undefined)
      response.writeHead(status, { 'content-type': 'application/x-amz-json-1.1' }).end(body)
  })
  faults.push(made)
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}`
}

/** An answer as AWS gives its errors; the message repeats what it should not. */
function refusal(type: string): string {
  return JSON.stringify({ __type: type, message: `${accessKeyId} may not` })
}

afterAll(() => {
  admin.destroy()
  for (const made of faults) {
    made.closeAllConnections()
    made.close()
  }
})
