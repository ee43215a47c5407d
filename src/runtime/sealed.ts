import { store } from './store.ts'
import { parseValue, startError, variable } from './value.ts'

/**
 * Fills the bindings of a server whose values travel with it, sealed. `core/crypto/seal.ts` has the format,
 * which is opened here once more because this part is bundled and must run without Node.
 */

/** The primitives of a platform, all synchronous. */
export interface Primitives {
  sha256(data: Uint8Array): Uint8Array
  hmac(key: Uint8Array, data: Uint8Array): Uint8Array
  /** HKDF-SHA256 (RFC 5869), 32 bytes. */
  hkdf(key: Uint8Array, salt: Uint8Array, info: Uint8Array): Uint8Array
  /** AES-256-GCM. @param sealed ciphertext and tag @throws when it does not verify */
  decrypt(key: Uint8Array, nonce: Uint8Array, header: Uint8Array, sealed: Uint8Array): Uint8Array
}

export interface Sealed {
  readonly scope: string
  /** Every value in it, by name. Opened at the first call. @throws Error when it cannot be opened */
  texts(): Readonly<Record<string, unknown>>
}

/** 'USEC', version 1, purpose 3. */
const START = Uint8Array.of(0x55, 0x53, 0x45, 0x43, 1, 3)
/** Offsets of the parts. */
const KEY_ID = 6
const SCOPE = 14
const NONCE = 46
const BODY = 58

/** @param text the sealed values, in base64 */
export function sealedValues(scope: string, text: string, primitives: () => Primitives): Sealed {
  let opened: Readonly<Record<string, unknown>> | undefined
  return { scope, texts: () => (opened ??= unseal(scope, text, primitives)) }
}

/**
 * Gives one binding its value, and later ones through `apply`. Sources, in order: what this process was given
 * (dev server, build), the process environment, then what was sealed.
 * @throws Error when the key is missing or wrong, or what was sealed is damaged
 */
export function take(
  { scope, texts }: Sealed,
  name: string,
  kind: 'text' | 'json',
  apply: (value: unknown) => void,
): unknown {
  const { values, listeners } = store()
  const bound = listeners.get(scope) ?? new Set()
  listeners.set(
    scope,
    bound.add((all) => apply(all[name])),
  )
  const known = values.get(scope)
  if (known) return known[name]
  const text = variable(name) ?? own(texts(), name)
  return text === undefined ? undefined : parseValue(name, kind, text)
}

/** An optional secret without a value is not there. */
function own(texts: Readonly<Record<string, unknown>>, name: string): string | undefined {
  return Object.hasOwn(texts, name) ? String(texts[name]) : undefined
}

function unseal(scope: string, text: string, primitives: () => Primitives): Record<string, unknown> {
  const key = keyOf(variable('SECRETS_KEY')?.trim() ?? '')
  const { sha256, hmac, hkdf, decrypt } = primitives()
  const sealed = bytesOf(text)
  const salt = sha256(utf8(scope))
  const derived = hkdf(key, salt, utf8('unplugin-secrets/sealed/v1'))
  const id = hmac(derived, utf8('unplugin-secrets/key-id/v1'))
  // All of the header is authenticated below; these tell the reason.
  if (!sealed || !startsWith(sealed, START) || !startsWith(sealed.subarray(SCOPE, NONCE), salt))
    // What is put in has no colon, and what it takes the place of ends with two.
    throw text.endsWith('::') ? unfinished() : damaged()
  if (!startsWith(id, sealed.subarray(KEY_ID, SCOPE))) {
    throw startError(
      '[secrets] SECRETS_KEY is another key than the one that the secrets of this bundle were sealed with.',
    )
  }
  try {
    const header = sealed.subarray(0, BODY)
    const plain = decrypt(derived, sealed.subarray(NONCE, BODY), header, sealed.subarray(BODY))
    return JSON.parse(new TextDecoder().decode(plain)) as Record<string, unknown>
  } catch {
    throw damaged()
  }
}

function damaged(): Error {
  return startError(
    '[secrets] The sealed secrets of this bundle are damaged or were changed. Build it again.',
  )
}

function unfinished(): Error {
  return startError(
    '[secrets] This output was taken before its secrets were sealed, as esbuild serve() does. Start one that was written.',
  )
}

/** The same rule as where it is sealed: nothing but 32 whole bytes is a key. */
function keyOf(text: string): Uint8Array {
  if (text === '') {
    throw startError(
      '[secrets] SECRETS_KEY is not set. The secrets of this bundle are sealed; set it to the key of the build.',
    )
  }
  if (/^[0-9a-f]{64}$/i.test(text))
    return Uint8Array.from(text.match(/../g)!, (pair) => Number.parseInt(pair, 16))
  const key = /^[A-Za-z0-9+/_-]{43}=?$/.test(text) ? bytesOf(text) : undefined
  if (key) return key
  throw startError(
    '[secrets] SECRETS_KEY is not a key: it must be 32 bytes, as 64 hexadecimal digits or as base64.',
  )
}

/** Base64 in either alphabet. */
function bytesOf(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0))
  } catch {
    return undefined
  }
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

function startsWith(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.length >= start.length && start.every((byte, index) => bytes[index] === byte)
}
