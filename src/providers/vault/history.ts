import { SecretsError } from '../../core/errors.ts'
import type { DocumentMetadata, ProviderContext, VersionEntry, WriteResult } from '../../core/types.ts'
import { readDocument } from './documents.ts'
import type { KvEngine, Place } from './engines.ts'
import { errorOf } from './errors.ts'
import { unversioned } from './kv.ts'
import { aboutMetadata, type KvMetadata, readMetadata } from './metadata.ts'
import type { Reach } from './reach.ts'
import { numberOf } from './remove.ts'
import { writeVersion } from './write.ts'

interface Known {
  readonly what: string
  readonly place: Place & { readonly engine: KvEngine }
  readonly metadata: KvMetadata | undefined
}

async function look(verb: string, path: string, reach: Reach, context: ProviderContext): Promise<Known> {
  const { session } = reach
  const what = `${verb} ${context.name}:${path}`
  const place = await reach.engines.findKv(path, what, context)
  if (place.engine.version === 1)
    throw unversioned(what, place.engine, session.options.url, 'keeps neither versions nor metadata')
  return { what, place, metadata: await readMetadata(what, place, session, context) }
}

export async function historyOf(
  path: string,
  reach: Reach,
  context: ProviderContext,
): Promise<readonly VersionEntry[] | undefined> {
  const { metadata } = await look('list the versions of', path, reach, context)
  return metadata?.versions.map(({ number: _, ...entry }) => entry)
}

/** Writes the content of an older version anew, unless somebody writes in between. */
export async function rollBack(
  { path, version }: { readonly path: string; readonly version: string },
  reach: Reach,
  context: ProviderContext,
): Promise<WriteResult> {
  const { what, place, metadata } = await look('roll back', path, reach, context)
  numberOf(version, what)
  const older = metadata && (await readDocument({ path, options: { version } }, reach, context))
  if (!older || typeof older.value === 'string' || older.value instanceof Uint8Array)
    throw new SecretsError(
      'NOT_FOUND',
      `Cannot ${what} at ${reach.session.options.url}: there is no version ${version}.`,
      metadata && { hint: `There are ${metadata.versions.map((entry) => entry.version).join(', ')}.` },
    )
  return writeVersion(place, older.value, metadata.current, what, reach, context)
}

export async function metadataOf(
  path: string,
  reach: Reach,
  context: ProviderContext,
): Promise<DocumentMetadata | undefined> {
  const { metadata } = await look('read the metadata of', path, reach, context)
  if (!metadata) return undefined
  const { custom, createdAt, updatedAt, maxVersions } = metadata
  return { custom, createdAt, updatedAt, ...(maxVersions > 0 ? { maxVersions } : {}) }
}

/** @throws SecretsError `NOT_FOUND` where there is no such document */
export async function annotate(
  { path, custom }: { readonly path: string; readonly custom: Readonly<Record<string, string>> },
  reach: Reach,
  context: ProviderContext,
): Promise<void> {
  const { session } = reach
  const { what, place, metadata } = await look('annotate', path, reach, context)
  const about = aboutMetadata(what, place, session.options.url)
  if (!metadata)
    throw new SecretsError('NOT_FOUND', `Cannot ${what} at ${about.url}: there is nothing.`, {
      hint: 'Check the path and mount.',
    })
  const merge = Object.fromEntries(Object.entries(custom).map(([name, text]) => [name, text || null]))
  const patched = await session.patch(about.path, { custom_metadata: merge }, context)
  if (patched.status < 300) return
  // The verb is younger than custom metadata, and its capability another one than `update`.
  if (![403, 405, 415].includes(patched.status)) throw errorOf(patched, { ...about, capability: 'patch' })
  const whole = Object.fromEntries(
    Object.entries({ ...metadata.custom, ...custom }).filter(([, text]) => text !== ''),
  )
  const answer = await session.write(about.path, { custom_metadata: whole }, context)
  if (answer.status >= 300) throw errorOf(answer, { ...about, capability: 'update' })
}
