import { createHmac } from 'node:crypto'
import { SecretsError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/types.ts'
import type { Engine } from './engines.ts'
import { type About, bodyOf } from './errors.ts'
import type { Answer } from './transport.ts'

/** What KV v1 cannot do. @param why completes `KV v1 at x/ …` */
export function unversioned(
  what: string,
  engine: Engine,
  url: string,
  why: string,
  instead?: string,
): SecretsError {
  return new SecretsError('UNSUPPORTED', `Cannot ${what} at ${url}: KV v1 at ${engine.path}/ ${why}.`, {
    hint: `${instead ? `${instead}, or upgrade` : 'Upgrade'} the engine: vault kv enable-versioning ${engine.path}`,
  })
}

/**
 * A stamp for content without a version. Stamps are shown and stored, so nobody may learn a short value by trying:
 * the key is the mount's own random id, which only a token with rights below the mount is told.
 */
export function stampOf(data: JsonObject, { path: mount, uuid = '' }: Engine, path: string): string {
  return createHmac('sha256', uuid)
    .update(JSON.stringify([mount, path, data]))
    .digest('hex')
    .slice(0, 16)
}

/** The answer for a path at which an engine has nothing. */
export function isNothing(answer: Answer): boolean {
  const { errors } = bodyOf(answer)
  return answer.status === 404 && Array.isArray(errors) && errors.length === 0
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The error for a version that was there. */
export function gone(
  about: About,
  mount: string,
  path: string,
  version: number,
  destroyed: boolean,
): SecretsError {
  const start = `Cannot ${about.what} at ${about.url}: version ${version} is`
  const at = `-mount=${JSON.stringify(mount)}`
  return destroyed
    ? new SecretsError('DESTROYED', `${start} destroyed; its content is lost.`, {
        hint: `Write a new version, or go back to an older one: vault kv rollback ${at} -version=<n> ${JSON.stringify(path)}`,
      })
    : new SecretsError('DELETED', `${start} deleted.`, {
        hint: `Bring it back: vault kv undelete ${at} -versions=${version} ${JSON.stringify(path)}`,
      })
}
