import { Miniflare } from 'miniflare'
import { build } from 'rolldown'

let bundled: Promise<string> | undefined

/** The Worker as a deployment would bundle it: one module, Node's own left outside. */
function bundle(): Promise<string> {
  bundled ??= build({
    input: 'src/server/worker.ts',
    platform: 'neutral',
    external: /^node:/,
    resolve: { mainFields: ['module', 'main'], conditionNames: ['workerd', 'worker', 'import'] },
    output: { format: 'esm' },
    write: false,
    logLevel: 'silent',
  }).then(({ output }) => {
    if (output.length !== 1) throw new Error('the Worker is not one module')
    return output[0].code
  })
  return bundled
}

/** The vault-env Worker in a real workerd, on a D1 database in a folder. */
export async function startWorker(options: {
  folder: string
  strict?: boolean | undefined
  rateLimit?: number | undefined
}): Promise<{ url: string; close(): Promise<void> }> {
  const { folder, strict = false, rateLimit } = options
  const worker = new Miniflare({
    modules: true,
    script: await bundle(),
    compatibilityDate: '2025-09-01',
    compatibilityFlags: ['nodejs_compat'],
    d1Databases: { DB: 'vault-env' },
    d1Persist: folder,
    bindings: { STRICT: String(strict) },
    ...(rateLimit && { ratelimits: { RATE_LIMITER: { simple: { limit: rateLimit, period: 60 } } } }),
    host: '127.0.0.1',
    port: 0,
  })
  const url = String(await worker.ready).replace(/\/$/, '')
  return { url, close: () => worker.dispose() }
}
