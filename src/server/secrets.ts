import type { Routes, Signed } from './app.ts'
import { found, gate, strictGate } from './devices.ts'
import { ApiError, answer, answerText, type Body, field, nameField, optionalField } from './request.ts'
import type { Access, Store } from './store.ts'

/** Push, pull, versions and rollback. */
export function addSecretRoutes({ store, strict, signed }: Routes): void {
  signed('secrets/push', async ({ projectId, body, caller, claim }) => {
    const environment = nameField(body, 'environment')
    const blob = field(body, 'secrets')
    const names = keyNames(body)
    const wanted = { project: projectId, environment, deviceHash: optionalField(body, 'device_hash') }
    const access = found(await store.access(wanted))
    const device = passing(access)
    await claim()
    const id = access.environmentId ?? (await store.makeEnvironment(projectId, environment))
    const version = await store.push(id, blob, names)
    await Promise.all([device && store.seen(device.id), store.audit(projectId, id, 'push', caller)])
    return answer({ version })
  })

  signed('secrets/pull', async ({ projectId, body, caller }) => {
    const environment = field(body, 'environment')
    const wanted = { project: projectId, environment, deviceHash: optionalField(body, 'device_hash') }
    const { environmentId: id, latest } = found(await store.pull(wanted, caller, passing))
    if (id === undefined) throw new ApiError(404, 'Environment not found')
    if (latest === undefined) throw new ApiError(404, 'No secrets stored yet')
    return answerText(latest)
  })

  signed('secrets/current-version', async (request) => {
    const current = await store.currentVersion(await environmentOf(store, request))
    return answer({ version: current?.version ?? 0, updated_at: current?.updatedAt ?? null })
  })

  signed('secrets/versions', async (request) => {
    const rows = await store.versions(await environmentOf(store, request))
    const versions = rows.map(({ version, changed_keys: names, created_at }) => ({
      version: Number(version),
      changed_keys: typeof names === 'string' ? (JSON.parse(names) as string[]) : null,
      created_at,
    }))
    return answer({ versions })
  })

  signed('secrets/rollback', async (request) => {
    const { projectId, body, caller } = request
    const wanted = versionOf(body)
    if (strict) await strictGate(store, request)
    const id = await environmentOf(store, request)
    const blob = await store.blobOf(id, wanted)
    if (blob === undefined) throw new ApiError(404, 'Version not found')
    await request.claim()
    const version = await store.push(id, blob, [`rollback_from_v${wanted}`])
    await store.audit(projectId, id, 'rollback', caller)
    return answer({ version })
  })
}

/** Also of a project without devices. */
const passing = (access: Access): Access['device'] => gate(access, { whenNoDevices: 'pass' })

async function environmentOf(store: Store, { projectId, body }: Signed): Promise<string> {
  const id = await store.environment(projectId, field(body, 'environment'))
  if (id === undefined) throw new ApiError(404, 'Environment not found')
  return id
}

/** Names only, from the clients that tell them. */
function keyNames(body: Body): string[] | null {
  const names = Object.hasOwn(body, 'key_names') ? body.key_names : undefined
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
