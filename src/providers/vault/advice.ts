import type { CheckResult, ProviderContext, ReadRequest } from '../../core/types.ts'
import { readDocument } from './documents.ts'
import { bodyOf } from './errors.ts'
import type { Reach } from './reach.ts'
import type { Session } from './session.ts'

/**
 * What a path that leads nowhere was meant to be: as the API or the command line of the server has it, with the
 * mount or `data/` in front. Only what is really there is advised.
 * @returns the path as it should stand in the configuration
 */
export async function meantPath(
  request: ReadRequest,
  reach: Reach,
  context: ProviderContext,
): Promise<string | undefined> {
  const { mount } = reach.session.options
  const below =
    mount && request.path.startsWith(`${mount}/`) ? request.path.slice(mount.length + 1) : request.path
  const candidates = new Set([below, below.replace(/^(data|metadata)\//, '')])
  candidates.delete(request.path)
  for (const path of candidates) {
    const found = await readDocument({ ...request, path }, reach, context).catch(() => undefined)
    if (found) return path
  }
  return undefined
}

/** Whether `kv` in the options is what the engine says of itself. */
export async function versionChecks(session: Session, context: ProviderContext): Promise<CheckResult[]> {
  const { kv, mount } = session.options
  if (kv === undefined || !mount) return []
  const answer = await session.read(`sys/internal/ui/mounts/${mount}`, context)
  const { data } = bodyOf(answer)
  if (answer.status !== 200 || data?.type !== 'kv') return []
  const version = (data.options as { version?: unknown } | null)?.version === '2' ? 2 : 1
  if (version === kv) return []
  return [
    {
      label: `mount ${mount}/`,
      ok: false,
      detail: `it is KV v${version}, and the options say kv: ${kv}`,
      hint: 'Remove kv from the options: the version is found out.',
    },
  ]
}
