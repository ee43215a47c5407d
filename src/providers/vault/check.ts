import { SecretsError } from '../../core/errors.ts'
import { documentKey } from '../../core/reference.ts'
import type { CheckResult, ProviderContext, ReadRequest } from '../../core/types.ts'
import { clockChecks } from '../connection.ts'
import { meantPath, versionChecks } from './advice.ts'
import { readDocument } from './documents.ts'
import { bodyOf, errorOf, SEALED_HINT } from './errors.ts'
import { forEach } from './many.ts'
import type { Reach } from './reach.ts'
import type { Session } from './session.ts'

/** Text of the other side that is shown only when it looks like what it should be. */
const plain = (value: unknown, pattern: RegExp): string | undefined =>
  typeof value === 'string' && pattern.test(value) ? value : undefined

/** What `doctor` shows, in the order in which things are needed; ends where the rest could not be known. */
export async function checkVault(
  requests: readonly ReadRequest[],
  reach: Reach,
  context: ProviderContext,
): Promise<readonly CheckResult[]> {
  const { session } = reach
  const { url, tls } = session.options
  const results: CheckResult[] = []
  if (url.startsWith('https:') && !tls.verify)
    results.push({
      label: 'certificate verified',
      ok: false,
      detail: 'tls.verify is false: anyone on the way can read the secrets',
      hint: 'Name the authority with tls.caFile or VAULT_CACERT and remove tls.verify.',
    })
  const steps: [label: string, step: () => Promise<CheckResult[]>][] = [
    ['reachable', () => checkHealth(session, context)],
    ['logged in', async () => [await checkLogin(session, context)]],
    ['mount', () => versionChecks(session, context)],
    ['read', () => checkReads(requests, reach, context)],
  ]
  for (const [label, step] of steps) {
    try {
      results.push(...(await step()))
    } catch (error) {
      if (!(error instanceof SecretsError)) throw error
      results.push({ label, ok: false, detail: error.message, hint: error.hint })
    }
    if (results.at(-1)?.ok === false) break
  }
  return results
}

async function checkHealth(session: Session, context: ProviderContext): Promise<CheckResult[]> {
  const { url } = session.options
  const answer = await session.readPublic('sys/health', context)
  const { version: given } = bodyOf(answer) as { version?: unknown }
  const version = plain(given, /^[\w.+-]{1,40}$/)
  const server = `${url}${version ? `, version ${version}` : ''}`
  const state = { 200: 'active', 429: 'standby', 473: 'performance standby' }[answer.status]
  const clock = clockChecks(answer.date)
  if (state) return [...clock, { label: 'reachable', ok: true, detail: `${server}, ${state}` }]
  // The health endpoint says 503 for sealed without an error text.
  if (answer.status === 503)
    return [...clock, { label: 'reachable', ok: false, detail: `${server}, sealed`, hint: SEALED_HINT }]
  const error = errorOf(answer, { what: 'use the server', url, path: 'sys/health' })
  return [...clock, { label: 'reachable', ok: false, detail: error.message, hint: error.hint }]
}

async function checkLogin(session: Session, context: ProviderContext): Promise<CheckResult> {
  const { auth } = session.options
  // A token need not be allowed to look itself up; an unknown one is refused in `read`.
  const answer = await session.read('auth/token/lookup-self', context)
  const { data } = bodyOf(answer)
  const facts = [`with ${auth.method}`]
  if (Array.isArray(data?.policies)) {
    const policies = data.policies.flatMap((name) => plain(name, /^[\w ./@-]{1,100}$/) ?? [])
    facts.push(`policies ${policies.join(', ')}`)
  }
  if (typeof data?.ttl === 'number')
    facts.push(data.ttl > 0 ? `ends in ${Math.ceil(data.ttl / 60)} min` : 'never ends')
  return { label: 'logged in', ok: true, detail: facts.join('; ') }
}

async function checkReads(
  requests: readonly ReadRequest[],
  reach: Reach,
  context: ProviderContext,
): Promise<CheckResult[]> {
  const { session } = reach
  const documents = await forEach(requests, context, (request) => readDocument(request, reach, context))
  const results: CheckResult[] = []
  const mounts = new Set<string>()
  for (const [index, request] of requests.entries()) {
    const document = documents[index]
    const label = `read ${documentKey({ provider: context.name, ...request })}`
    const denied = document instanceof SecretsError && document.code === 'PERMISSION_DENIED'
    const meant = document === undefined || denied ? await meantPath(request, reach, context) : undefined
    if (meant !== undefined)
      results.push({
        label,
        ok: false,
        detail: 'the path has the mount or data/ of the API in it',
        hint: `There is something at ${context.name}:${meant}: write that, as the mount and data/ are put in front by themselves.`,
      })
    else if (document instanceof SecretsError)
      results.push({ label, ok: false, detail: document.message, hint: document.hint })
    else if (document === undefined)
      results.push({
        label,
        ok: false,
        detail: 'there is nothing at this path',
        hint: `Check the path below ${session.options.mount || 'the mount'}/, or store it: secrets set NAME`,
      })
    else {
      const { engine } = await reach.engines.find(request.path, label, context)
      const kind = engine.version ? `KV v${engine.version}` : `engine ${engine.type}`
      if (!mounts.has(engine.path)) results.push({ label: `mount ${engine.path}/`, ok: true, detail: kind })
      mounts.add(engine.path)
      const { value, version, expiresAt } = document
      const detail = [
        `${Object.keys(value).length} fields`,
        ...(engine.version === 2 ? [`version ${version}`] : []),
        ...(expiresAt ? [`lent for ${Math.ceil((expiresAt - Date.now()) / 60_000)} min`] : []),
      ].join(', ')
      results.push({ label, ok: true, detail })
    }
  }
  return results
}
