import type { ProviderContext, VersionEntry } from '../../core/types.ts'
import type { Place } from './engines.ts'
import { type About, bodyOf, errorOf, malformedAnswer } from './errors.ts'
import { isNothing, isObject } from './kv.ts'
import type { Session } from './session.ts'

/** What KV v2 keeps of a document beside its content. */
export interface KvMetadata {
  readonly current: number
  /** Newest first. */
  readonly versions: readonly (VersionEntry & { readonly number: number })[]
  readonly custom: Readonly<Record<string, string>>
  readonly createdAt: number | undefined
  readonly updatedAt: number | undefined
  /** 0: the engine's own rule. */
  readonly maxVersions: number
}

export function aboutMetadata(what: string, { engine, path }: Place, url: string): About {
  return { what, url, path: `${engine.path}/metadata/${path}` }
}

/**
 * @returns `undefined` where there is no such document
 * @throws SecretsError `PERMISSION_DENIED`, …
 */
export async function readMetadata(
  what: string,
  place: Place,
  session: Session,
  context: ProviderContext,
): Promise<KvMetadata | undefined> {
  const about = aboutMetadata(what, place, session.options.url)
  const answer = await session.read(about.path, context)
  if (isNothing(answer)) return undefined
  if (answer.status !== 200) throw errorOf(answer, about)
  const metadata = metadataFrom(bodyOf(answer).data)
  if (!metadata) throw malformedAnswer(about)
  return metadata
}

/** @returns `undefined` for what is no metadata of a document */
export function metadataFrom(data: unknown): KvMetadata | undefined {
  if (!isObject(data) || typeof data.current_version !== 'number' || !isObject(data.versions ?? {}))
    return undefined
  const current = data.current_version
  const versions = Object.entries((data.versions ?? {}) as Record<string, unknown>)
    .map(([version, entry]) => entryOf(version, entry, current))
    .sort((a, b) => b.number - a.number)
  const { custom_metadata: custom, max_versions: maxVersions } = data
  return {
    current,
    versions,
    custom: isObject(custom)
      ? Object.fromEntries(
          Object.entries(custom).filter((pair): pair is [string, string] => typeof pair[1] === 'string'),
        )
      : {},
    createdAt: timeOf(data.created_time),
    updatedAt: timeOf(data.updated_time),
    maxVersions: typeof maxVersions === 'number' ? maxVersions : 0,
  }
}

function entryOf(version: string, entry: unknown, current: number): KvMetadata['versions'][number] {
  const {
    created_time: created,
    deletion_time: deleted,
    destroyed,
  } = (entry ?? {}) as Record<string, unknown>
  const deletedAt = timeOf(deleted)
  // A time to come is a deletion that is planned (`delete_version_after`).
  const isDeleted = deletedAt !== undefined && deletedAt <= Date.now()
  const live = Number(version) === current ? 'current' : 'previous'
  return {
    version,
    number: Number(version),
    createdAt: timeOf(created),
    state: destroyed === true ? 'destroyed' : isDeleted ? 'deleted' : live,
  }
}

/** Unix ms; times that are not set are empty. */
function timeOf(text: unknown): number | undefined {
  return typeof text === 'string' ? Date.parse(text) || undefined : undefined
}
