import { command } from '../command.ts'
import { usageError } from '../errors.ts'
import { untilStopped } from '../interrupt.ts'
import { note, print } from '../output.ts'

export default command({
  name: 'serve',
  description: 'Run a vault-env server: it stores ciphertext, and nothing that decrypts it',
  examples: [
    ['secrets serve', 'on this machine only, in the file vault-env.db'],
    ['secrets serve --host 0.0.0.0 --database-url postgres://…', 'for a team, behind TLS of a proxy'],
    [
      'DATABASE_URL=postgres://… secrets serve',
      'the address, which may hold a password, out of the process list',
    ],
  ],
  args: {
    host: {
      type: 'string',
      description: 'The address to listen on',
      default: '127.0.0.1',
      valueHint: 'address',
    },
    port: { type: 'string', description: 'The port; 0 for a free one', default: '8787', valueHint: 'number' },
    'database-url': {
      type: 'string',
      description: 'file:…, libsql://… or postgres://…; else DATABASE_URL, else file:vault-env.db',
      valueHint: 'url',
    },
    strict: {
      type: 'boolean',
      description: 'Approving, revoking and rolling back need an approved device, too',
    },
    'rate-limit': {
      type: 'string',
      description: 'Requests a minute for one address and project; 0: no limit',
      default: '600',
      valueHint: 'number',
    },
  },
  async run({ flags }) {
    const port = numberOf(flags.port, '--port', 65_535)
    const rateLimit = numberOf(flags['rate-limit'], '--rate-limit', 1_000_000_000)
    const { serve } = await import('../serve/load.ts').then(({ loadServer }) => loadServer())
    const databaseUrl = flags['database-url'] ?? process.env.DATABASE_URL
    const authToken = process.env.DATABASE_AUTH_TOKEN
    await checkFile(databaseUrl ?? 'file:vault-env.db')
    const { withProgress } = await import('../progress.ts')
    const options = {
      ...(flags.host && { host: flags.host }),
      port,
      rateLimit,
      strict: flags.strict === true,
      ...(databaseUrl && { databaseUrl }),
      ...(authToken && { authToken }),
    }
    const server = await withProgress(
      () => 'Opening the database',
      () => serve(options),
    )
    const stopped = untilStopped()
    if (flags.json === true) print(JSON.stringify({ url: server.url }))
    else print(`Listening on ${server.url}. Stop it with Ctrl-C.`)
    await stopped
    if (flags.json !== true) note('Stopping: requests under way may end.')
    await server.close()
    process.exit(0)
  },
})

/** SQLite gives no reason. @throws SecretsError FILE_UNREADABLE */
async function checkFile(url: string): Promise<void> {
  if (!url.startsWith('file:') || url.includes(':memory:')) return
  const { access, constants } = await import('node:fs/promises')
  const { existsSync } = await import('node:fs')
  const { dirname, resolve } = await import('node:path')
  const { fileURLToPath } = await import('node:url')
  const { fileHint, reasonOf, SecretsError } = await import('../../core/errors.ts')
  const file = url.startsWith('file://') ? fileURLToPath(url) : resolve(url.slice('file:'.length))
  let written = file
  while (!existsSync(written)) written = dirname(written)
  await access(written, constants.W_OK).catch((error: unknown) => {
    throw new SecretsError('FILE_UNREADABLE', `Cannot write the database ${file}: ${reasonOf(error)}.`, {
      hint: fileHint(error),
    })
  })
}

function numberOf(text: string | undefined, flag: string, most: number): number {
  const number = /^\d{1,10}$/.test(text ?? '') ? Number(text) : Number.NaN
  if (number <= most) return number
  throw usageError(`${flag} must be a number from 0 to ${most}.`, 'See: secrets serve --help')
}
