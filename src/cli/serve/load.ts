import { SecretsError } from '../../core/errors.ts'

/** What the server is made of. A build has no use for it, so it is not installed with this package. */
const PARTS = 'hono @hono/node-server hono-rate-limiter drizzle-orm libsql @libsql/client postgres'

/** @throws SecretsError `UNSUPPORTED` where one of its packages is not installed */
export async function loadServer(): Promise<typeof import('../../server/index.ts')> {
  try {
    return await import('../../server/index.ts')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new SecretsError('UNSUPPORTED', 'The server needs packages that are not installed.', {
      hint: `Install them: npm install ${PARTS}`,
    })
  }
}
