import { SecretsError } from '../../core/errors.ts'
import { documentKey } from '../../core/reference.ts'
import type { Json, JsonObject, ProviderContext, ReadRequest, SecretDocument } from '../../core/types.ts'
import type { Engine, Place } from './engines.ts'
import { type About, bodyOf, errorOf, malformedAnswer } from './errors.ts'
import { isNothing, isObject, stampOf } from './kv.ts'
import type { Lent } from './leases.ts'
import type { Reach } from './reach.ts'
import type { Answer } from './transport.ts'

/** Engines that make something of parameters, so that they are posted to; the others are read. */
const POSTED = new Set(['pki', 'ssh', 'transit', 'totp'])

/** How a path of another engine than KV is asked, for the request and for the policy. */
export function isPosted({ type = '' }: Engine): boolean {
  return POSTED.has(type)
}

/**
 * Reads a path of any engine. What has a lease (or, as a certificate, an end) is lent: it is asked for once
 * and kept alive. Anything else is a document like one of KV.
 */
export async function readLent(
  request: ReadRequest,
  { engine, path }: Place,
  what: string,
  { session, leases }: Reach,
  context: ProviderContext,
): Promise<SecretDocument | undefined> {
  const posted = isPosted(engine)
  const about: About = {
    what,
    url: session.options.url,
    path: `${engine.path}/${path}`,
    ...(posted ? { capability: 'update' } : {}),
  }
  const ask = async (asking: ProviderContext): Promise<Lent | SecretDocument | undefined> => {
    const since = Date.now()
    const query = new URLSearchParams(request.options)
    const answer = posted
      ? await session.write(about.path, request.options, asking)
      : await session.read(about.path, asking, query.size > 0 ? `?${query}` : '')
    if (isNothing(answer)) return undefined
    if (answer.status === 404)
      throw new SecretsError(
        'UNSUPPORTED',
        `Cannot ${what} at ${about.url}: the engine at ${engine.path}/ is not KV, and serves no such path (404).`,
      )
    if (answer.status !== 200) throw errorOf(answer, about)
    const { data } = bodyOf(answer)
    if (!isObject(data)) throw malformedAnswer(about)
    const lent = lentOf(answer, data, since)
    return lent.ttl > 0 ? lent : { value: data, version: stampOf(data, engine, path) }
  }
  return leases.take(documentKey({ provider: '', ...request }), ask, context)
}

function lentOf(answer: Answer, data: JsonObject, since: number): Lent {
  const { lease_id: id, lease_duration: ttl, renewable } = bodyOf(answer)
  if (typeof id === 'string' && id !== '' && typeof ttl === 'number')
    return { value: data, id, ttl, renewable: renewable === true, since }
  return { value: data, id: '', ttl: secondsUntil(data.expiration, since), renewable: false, since }
}

/** A certificate says when it ends, in Unix s. */
function secondsUntil(expiration: Json | undefined, now: number): number {
  return typeof expiration === 'number' ? Math.max(0, expiration - Math.ceil(now / 1000)) : 0
}
