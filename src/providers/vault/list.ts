import pLimit from 'p-limit'
import type { ListEntry, ProviderContext } from '../../core/types.ts'
import { type About, bodyOf, errorOf, malformedAnswer } from './errors.ts'
import { isNothing } from './kv.ts'
import type { Reach } from './reach.ts'

/**
 * Every document below a path, folders entered, in the order of their names.
 * @throws SecretsError `PERMISSION_DENIED` with the policy line for the first folder that may not be listed: half a
 * list would look like a whole one
 */
export async function listDocuments(
  path: string,
  reach: Reach,
  context: ProviderContext,
): Promise<readonly ListEntry[]> {
  const limit = pLimit(context.concurrency)
  const enter = async (folder: string): Promise<ListEntry[]> => {
    const keys = await limit(() => keysOf(folder, reach, context))
    const entries = keys.map((key) => {
      const below = folder === '' || folder === '/' ? folder + key : `${folder}/${key}`
      return key.endsWith('/') ? enter(below.slice(0, -1)) : [{ path: below }]
    })
    return (await Promise.all(entries)).flat()
  }
  return enter(path === '/' ? path : path.replace(/\/+$/, ''))
}

/** One level; a folder ends in a slash. */
async function keysOf(
  folder: string,
  { session, engines }: Reach,
  context: ProviderContext,
): Promise<string[]> {
  const what = `list ${context.name}:${folder}/`
  const place = await engines.findKv(folder, what, context)
  const below = [place.engine.path, ...(place.engine.version === 2 ? ['metadata'] : []), place.path]
  const path = `${below.filter(Boolean).join('/')}/`
  const about: About = { what, url: session.options.url, path, capability: 'list' }
  const answer = await session.read(path, context, '?list=true')
  if (isNothing(answer)) return []
  if (answer.status !== 200) throw errorOf(answer, about)
  const { data } = bodyOf(answer)
  if (!Array.isArray(data?.keys)) throw malformedAnswer(about)
  return data.keys.filter((key) => typeof key === 'string').sort()
}
