import { Miniflare } from 'miniflare'
import { build } from 'rolldown'

const bundled = new Map<string, Promise<string>>()

/** The Worker as a deployment would bundle it: one module, Node's own left outside. */
function bundle(input: string): Promise<string> {
  const known = bundled.get(input)
  if (known) return known
  const made = build({
    input,
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
  bundled.set(input, made)
  return made
}

/** The vault-env Worker in a real workerd, on a D1 database in a folder. */
export async function startWorker(options: {
  folder: string
  strict?: boolean | undefined
  rateLimit?: number | undefined
  /** The Worker's own module; the entry of the sources unless told. */
  input?: string
}): Promise<{ url: string; close(): Promise<void> }> {
  const { folder, strict = false, rateLimit, input = 'src/server/worker.ts' } = options
  const worker = new Miniflare({
    modules: true,
    script: await bundle(input),
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
