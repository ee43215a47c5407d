import { SecretsError } from '../../core/errors.ts'
import type { ListEntry, ProviderContext, RemoveRequest } from '../../core/types.ts'
import { describeSecret } from './describe.ts'
import { listPages } from './list.ts'
import { objectsIn } from './pages.ts'
import type { Session } from './session.ts'

/** All secrets whose names begin with `prefix`; those scheduled for deletion are left out. */
export async function listSecrets(
  session: Session,
  prefix: string,
  context: ProviderContext,
): Promise<ListEntry[]> {
  const entries: ListEntry[] = []
  for await (const page of listPages(session, prefix, context)) {
    for (const entry of objectsIn(page.SecretList)) {
      const { Name: path, SecretVersionsToStages: versions = {}, LastChangedDate: changed } = entry
      // A stand-in may filter by another rule than AWS.
      if (path === undefined || !path.startsWith(prefix)) continue
      const version = Object.keys(versions).find((id) => versions[id]?.includes('AWSCURRENT'))
      entries.push({ path, version, updatedAt: changed?.getTime() })
    }
  }
  return entries
}

/** Schedules the deletion: for 30 days, or `recoveryDays` of 7 to 30, `restore` takes it back. */
export async function removeSecret(
  session: Session,
  request: RemoveRequest,
  context: ProviderContext,
): Promise<boolean> {
  refuse(request.environment !== undefined, request, context, 'environment')
  refuse(request.versions !== undefined, request, context, 'versions')
  const { path, forever = false, recoveryDays } = request
  if (recoveryDays !== undefined && !(recoveryDays >= 7 && recoveryDays <= 30))
    throw new SecretsError(
      'REQUEST_REFUSED',
      `Cannot remove ${context.name}:${path}: AWS keeps it for 7 to 30 days.`,
      { hint: 'Give days between them, or remove it for ever.' },
    )
  // AWS says yes to the removal for ever of what was never there.
  if (forever && !(await describeSecret(session, path, context))) return false
  const how = forever
    ? { ForceDeleteWithoutRecovery: true }
    : recoveryDays !== undefined && { RecoveryWindowInDays: recoveryDays }
  try {
    await session.call(context, { action: 'DeleteSecret', path }, (api, options) =>
      api.deleteSecret({ SecretId: path, ...how }, options),
    )
    return true
  } catch (error) {
    if (error instanceof SecretsError && (error.code === 'NOT_FOUND' || error.code === 'DELETED'))
      return false
    throw error
  }
}

/** Takes a scheduled deletion back. */
export async function restoreSecret(
  session: Session,
  request: Pick<RemoveRequest, 'path' | 'versions'>,
  context: ProviderContext,
): Promise<boolean> {
  refuse(request.versions !== undefined, request, context, 'versions')
  const { path } = request
  // AWS says yes to the restoring of what was never removed.
  if (!(await describeSecret(session, path, context))?.DeletedDate) return false
  await session.call(context, { action: 'RestoreSecret', path }, (api, options) =>
    api.restoreSecret({ SecretId: path }, options),
  )
  return true
}

const REFUSALS = {
  environment: {
    why: 'for one environment only: an AWS secret has one value for all environments',
    hint: 'Put the environment into the name, for example production/db.',
  },
  versions: {
    why: 'by version: AWS removes and restores a secret as a whole',
    hint: 'A version that has no stage any more is dropped by AWS itself.',
  },
} as const

export function refuse(
  asked: boolean,
  { path }: { readonly path: string },
  context: ProviderContext,
  what: keyof typeof REFUSALS,
): void {
  const { why, hint } = REFUSALS[what]
  if (asked) throw new SecretsError('UNSUPPORTED', `Cannot change ${context.name}:${path} ${why}.`, { hint })
}
