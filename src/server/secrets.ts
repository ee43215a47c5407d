import type { Routes, Signed } from './app.ts'
import { gate } from './devices.ts'
import { ApiError, type Body, field } from './request.ts'
import type { Store } from './store.ts'

/** Push, pull, versions and rollback. */
export function addSecretRoutes(routes: Routes): void {
  const { store, strict, signed } = routes

  signed('secrets/push', { changes: true }, async (request, context) => {
    const { projectId, body, caller } = request
    const environment = field(body, 'environment')
    const blob = field(body, 'secrets')
    const names = keyNames(body)
    await gate(store, request, { whenNoDevices: 'pass' })
    const id = await store.makeEnvironment(projectId, environment)
    const version = await store.push(id, blob, names)
    await store.audit(projectId, id, 'push', caller)
    return context.json({ version })
  })

  signed('secrets/pull', { changes: false }, async (request, context) => {
    const { projectId, body, caller } = request
    field(body, 'environment')
    await gate(store, request, { whenNoDevices: 'pass' })
    const id = await environmentOf(store, request)
    const latest = await store.latest(id)
    if (!latest) throw new ApiError(404, 'No secrets stored yet')
    await store.audit(projectId, id, 'pull', caller)
    return context.json({ secrets: latest.blob, version: latest.version })
  })

  signed('secrets/current-version', { changes: false }, async (request, context) => {
    const current = await store.currentVersion(await environmentOf(store, request))
    return context.json({ version: current?.version ?? 0, updated_at: current?.updatedAt ?? null })
  })

  signed('secrets/versions', { changes: false }, async (request, context) => {
    const rows = await store.versions(await environmentOf(store, request))
    const versions = rows.map(({ version, changed_keys: names, created_at }) => ({
      version: Number(version),
      changed_keys: typeof names === 'string' ? (JSON.parse(names) as string[]) : null,
      created_at,
    }))
    return context.json({ versions })
  })

  signed('secrets/rollback', { changes: true }, async (request, context) => {
    const { projectId, body, caller } = request
    const wanted = versionOf(body)
    if (strict) await gate(store, request, { whenNoDevices: 'refuse' })
    const id = await environmentOf(store, request)
    const blob = await store.blobOf(id, wanted)
    if (blob === undefined) throw new ApiError(404, 'Version not found')
    const version = await store.push(id, blob, [`rollback_from_v${wanted}`])
    await store.audit(projectId, id, 'rollback', caller)
    return context.json({ version })
  })
}

async function environmentOf(store: Store, { projectId, body }: Signed): Promise<string> {
  const id = await store.environment(projectId, field(body, 'environment'))
  if (id === undefined) throw new ApiError(404, 'Environment not found')
  return id
}

/** Names only, from the clients that tell them. */
function keyNames(body: Body): string[] | null {
  const names = body.key_names
  if (names === undefined || names === null) return null
  const isName = (name: unknown): name is string => typeof name === 'string' && name.length <= 1000
  if (!Array.isArray(names) || names.length > 10_000 || !names.every(isName))
    throw new ApiError(400, 'key_names must be a list of names')
  return names
}

/** A number, or its digits as some clients send them. */
function versionOf(body: Body): number {
  const { version } = body
  const number = typeof version === 'string' && /^\d{1,10}$/.test(version) ? Number(version) : version
  if (typeof number !== 'number' || !Number.isInteger(number) || number < 0 || number > 2 ** 31 - 1)
    throw new ApiError(400, 'version must be a number')
  return number
}
