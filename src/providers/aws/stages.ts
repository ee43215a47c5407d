import { SecretsError } from '../../core/errors.ts'
import type { ProviderContext, VersionEntry, WriteResult } from '../../core/types.ts'
import { CURRENT, describeSecret, missing, versionAt } from './describe.ts'
import { deletedError, malformedError } from './errors.ts'
import { objectsIn, pagesOf } from './pages.ts'
import type { About, Session } from './session.ts'

/** Every version that AWS still knows, those without a stage too; newest first. */
export async function historyOf(
  session: Session,
  path: string,
  context: ProviderContext,
): Promise<readonly VersionEntry[] | undefined> {
  const described = await describeSecret(session, path, context)
  if (!described) return undefined
  const about: About = { action: 'ListSecretVersionIds', path }
  const entries: VersionEntry[] = []
  const pages = pagesOf(
    (token) =>
      session.call(context, about, (api, options) =>
        api.listSecretVersionIds({ SecretId: path, IncludeDeprecated: true, ...token }, options),
      ),
    () => malformedError(session.situation(context, about)),
  )
  for await (const page of pages)
    for (const { VersionId: version, VersionStages: labels = [], CreatedDate: made } of objectsIn(
      page.Versions,
    )) {
      if (version === undefined) continue
      const alive = labels.includes(CURRENT) ? 'current' : 'previous'
      const state = described.DeletedDate ? 'deleted' : alive
      entries.push({ version, createdAt: made?.getTime(), state, labels })
    }
  // AWS promises no order; of equal times the later entry is the newer one.
  return entries.reverse().sort((a, b) => (b.createdAt ?? 0) - (a.createdAt ?? 0))
}

/** Moves AWSCURRENT; AWS puts AWSPREVIOUS on the version that it leaves. */
export async function rollbackSecret(
  session: Session,
  { path, version }: { readonly path: string; readonly version: string },
  context: ProviderContext,
): Promise<WriteResult> {
  const described = await describeSecret(session, path, context)
  if (!described) throw missing(session, path, context)
  const situation = session.situation(context, { action: 'UpdateSecretVersionStage', path })
  if (described.DeletedDate) throw deletedError(situation)
  const stages = described.VersionIdsToStages ?? {}
  const current = versionAt(stages, CURRENT)
  const target = versionAt(stages, version) ?? version
  if (target === current) return { version: target }
  // One without a stage is told of by the history only.
  const known =
    Object.hasOwn(stages, target) ||
    (await historyOf(session, path, context))?.some((entry) => entry.version === target)
  if (!known)
    throw new SecretsError('NOT_FOUND', `Cannot roll back ${context.name}:${path}: it has no such version.`, {
      hint: 'Give a version id or a stage of its history; AWS drops versions without a stage after some time.',
    })
  await moveCurrent(session, { path, from: current, to: target }, context)
  return { version: target }
}

export async function moveCurrent(
  session: Session,
  { path, from, to }: { readonly path: string; readonly from: string | undefined; readonly to: string },
  context: ProviderContext,
): Promise<void> {
  await session.call(context, { action: 'UpdateSecretVersionStage', path }, (api, options) =>
    api.updateSecretVersionStage(
      {
        SecretId: path,
        VersionStage: CURRENT,
        MoveToVersionId: to,
        ...(from !== undefined && { RemoveFromVersionId: from }),
      },
      options,
    ),
  )
}
