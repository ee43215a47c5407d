import { SecretsError } from '../../core/errors.ts'
import type { ProviderContext, ReadRequest } from '../../core/types.ts'
import { readDocument, whatOf } from './documents.ts'
import { gone } from './kv.ts'
import { aboutMetadata, readMetadata } from './metadata.ts'
import type { Reach } from './reach.ts'

/**
 * The stamp that a read would give: the metadata of KV v2 where the token may see it, since it holds no value;
 * else the read itself.
 * @param closed engines whose metadata was refused before, added to
 */
export async function versionOf(
  request: ReadRequest,
  closed: Set<string>,
  reach: Reach,
  context: ProviderContext,
): Promise<string | undefined> {
  const what = whatOf(request, context)
  const place = await reach.engines.find(request.path, what, context)
  const { engine } = place
  if (engine.version === 2 && !closed.has(engine.path)) {
    try {
      const metadata = await readMetadata(what, place, reach.session, context)
      if (!metadata) return undefined
      const wanted = request.options.version ?? String(metadata.current)
      const entry = metadata.versions.find(({ version }) => version === wanted)
      if (entry?.state === 'deleted' || entry?.state === 'destroyed') {
        const about = aboutMetadata(what, place, reach.session.options.url)
        throw gone(about, engine.path, place.path, entry.number, entry.state === 'destroyed')
      }
      return entry?.version
    } catch (error) {
      if (!(error instanceof SecretsError) || error.code !== 'PERMISSION_DENIED') throw error
      closed.add(engine.path)
    }
  }
  return (await readDocument(request, reach, context))?.version
}
