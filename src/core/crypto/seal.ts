/**
 * One sealed file or blob:
 *
 *     'USEC' | version 1 | purpose 1 | key id 8 | scope hash 32 | nonce 12 | ciphertext | tag 16
 *
 * AES-256-GCM with everything before the ciphertext as associated data. The nonce is 96 random bits
 * for every sealing (but see `sealRepeatably`), as NIST SP 800-38D section 8.2.2 allows; its section 8.3 bounds one key to 2^32
 * sealings, which one file rewritten every second reaches after 136 years.
 */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto'
import { SecretsError } from '../errors.ts'
import { PURPOSES, type SealKey, type SealLabel, scopeHash, subkey } from './keys.ts'

const MAGIC = Buffer.from('USEC')
const VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Offsets of the parts. */
const PURPOSE = 5
const KEY_ID = 6
const SCOPE = 14
const NONCE = 46
const BODY = NONCE + NONCE_BYTES

/** @param key derived for the same label. */
export function seal(plain: Uint8Array, key: SealKey, label: SealLabel): Buffer {
  return sealWith(randomBytes(NONCE_BYTES), plain, key, label)
}

/**
 * As `seal`, but equal content under one key is equal bytes, so that a build can be repeated. The nonce is
 * synthetic, as in SIV (RFC 5297 section 1.3.2): HMAC-SHA256 of all that is sealed, with a key for this alone,
 * cut to 96 bits. What GCM asks for (NIST SP 800-38D section 8) is that no nonce meets two contents: equal
 * content gives the same ciphertext again, and different contents collide as seldom as random nonces do, so
 * that section 8.3 bounds the number of different contents. The price: one can see that nothing changed.
 */
export function sealRepeatably(plain: Uint8Array, key: SealKey, label: SealLabel): Buffer {
  const nonce = createHmac('sha256', subkey(key, 'nonce')).update(headerOf(key, label)).update(plain)
  return sealWith(nonce.digest().subarray(0, NONCE_BYTES), plain, key, label)
}

/** Everything before the nonce. */
function headerOf(key: SealKey, label: SealLabel): Buffer {
  const start = Uint8Array.of(VERSION, PURPOSES[label.purpose])
  return Buffer.concat([MAGIC, start, key.id, scopeHash(label.scope)])
}

function sealWith(nonce: Uint8Array, plain: Uint8Array, key: SealKey, label: SealLabel): Buffer {
  const header = Buffer.concat([headerOf(key, label), nonce])
  const cipher = createCipheriv('aes-256-gcm', key.secret, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(header)
  return Buffer.concat([header, cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/**
 * Gives nothing before the tag has been verified.
 * @throws SecretsError SEAL_BROKEN (not sealed by us, sealed for something else, damaged) or KEY_MISSING
 * (sealed with another key). For no input does it throw anything else.
 */
export function open(sealed: Uint8Array, key: SealKey, label: SealLabel): Buffer {
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength)
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw broken('it is not a sealed file')
  if (bytes.length < BODY + TAG_BYTES) throw broken('it is cut off')
  if (bytes[MAGIC.length] !== VERSION) throw broken('it has a format that this version does not know')
  if (
    bytes[PURPOSE] !== PURPOSES[label.purpose] ||
    !bytes.subarray(SCOPE, NONCE).equals(scopeHash(label.scope))
  )
    throw broken('it was sealed for something else')
  if (!bytes.subarray(KEY_ID, SCOPE).equals(key.id))
    throw new SecretsError('KEY_MISSING', 'it was sealed with another key')
  const tag = bytes.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key.secret, bytes.subarray(NONCE, BODY), {
    authTagLength: TAG_BYTES,
  })
  decipher.setAAD(bytes.subarray(0, BODY))
  decipher.setAuthTag(bytes.subarray(tag))
  const plain = decipher.update(bytes.subarray(BODY, tag))
  try {
    decipher.final()
  } catch {
    throw broken('it is damaged or was changed')
  }
  // GCM is a stream: `final` verifies and has no bytes of its own.
  return plain
}

/**
 * As `open`, with the key among several that the thing was sealed with: the first one is the current one, the
 * others are of before a rotation. @throws SecretsError as `open`
 */
export function openWithAny(sealed: Uint8Array, keys: readonly SealKey[], label: SealLabel): Buffer {
  const id = Buffer.from(sealed.subarray(KEY_ID, SCOPE))
  return open(sealed, keys.find((key) => key.id.equals(id)) ?? keys[0]!, label)
}

/** Callers know the file and put its name before the reason. */
function broken(reason: string): SecretsError {
  return new SecretsError('SEAL_BROKEN', reason)
}
