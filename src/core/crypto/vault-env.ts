/**
 * The vault-env protocol's keys, cipher and signatures: what both sides of it compute. Not our own choice of
 * construction: blobs and signatures must be the ones that the published clients make and check.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import { SecretsError } from '../errors.ts'

const IV_BYTES = 12
const TAG_BYTES = 16
/** How old a signed request may be, and how far ahead its clock, in ms. */
export const MAX_AGE = 300_000
export const MAX_AHEAD = 60_000
/** As clients write it; other orders, spaces and capitals are as good. */
const PLAIN_SIGNATURE = /^v=(\d+),d=([0-9a-f]{64})$/

export interface VaultEnvKey {
  readonly projectId: string
  /** The whole text, as it is derived from. */
  readonly text: string
}

/** `vk_<project>_<secret>`; the secret may hold `_`, and be empty. Nothing is trimmed. @returns `undefined` for what is none */
export function parseVaultKey(text: string): VaultEnvKey | undefined {
  const match = /^vk_([^_]*)_/.exec(text)
  return match ? { projectId: match[1]!, text } : undefined
}

/** A new key for a project. */
export function makeVaultKey(projectId: string): string {
  return `vk_${projectId}_${randomBytes(32).toString('hex')}`
}

/** 64 hexadecimal digits, used as their text everywhere. */
export function makeDeviceSecret(): string {
  return randomBytes(32).toString('hex')
}

/** What the server knows of a device: the SHA-256 of its secret's text, in hex. */
export function deviceHash(deviceSecret: string): string {
  return createHash('sha256').update(deviceSecret).digest('hex')
}

/** The key of the cipher: of both halves where there is a device secret. An empty one counts as none. */
export function encryptionKey(vaultKey: string, deviceSecret: string | undefined): Buffer {
  const material = deviceSecret
    ? createHmac('sha256', vaultKey).update(deviceSecret).digest()
    : Buffer.from(vaultKey)
  return derive(material, 'vault-encrypt-v1')
}

/** The key of signatures: of the vault key alone, because the server has to know it. */
export function authKey(vaultKey: string): Buffer {
  return derive(Buffer.from(vaultKey), 'vault-auth-v1')
}

/** HKDF-SHA256 (RFC 5869) with a fixed salt and no info. */
function derive(material: Uint8Array, salt: string): Buffer {
  return Buffer.from(hkdfSync('sha256', material, salt, '', 32))
}

/** @returns base64 of IV (12) | tag (16) | ciphertext */
export function encryptBlob(plain: string, key: Uint8Array): string {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES })
  const body = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
  return Buffer.concat([iv, cipher.getAuthTag(), body]).toString('base64')
}

/**
 * Gives nothing before the tag has been verified.
 * @throws SecretsError `SEAL_BROKEN` for another key, another device's blob, or damage: they look alike
 */
export function decryptBlob(blob: string, key: Uint8Array): string {
  const bytes = Buffer.from(blob, 'base64')
  if (bytes.length < IV_BYTES + TAG_BYTES) throw broken()
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, IV_BYTES), {
    authTagLength: TAG_BYTES,
  })
  decipher.setAuthTag(bytes.subarray(IV_BYTES, IV_BYTES + TAG_BYTES))
  const plain = decipher.update(bytes.subarray(IV_BYTES + TAG_BYTES))
  try {
    decipher.final()
  } catch {
    throw broken()
  }
  return plain.toString('utf8')
}

function broken(): SecretsError {
  return new SecretsError('SEAL_BROKEN', 'The secrets cannot be decrypted.', {
    hint:
      'They were encrypted with another VAULT_KEY or for another device, or were damaged. ' +
      'Push them again from a machine that can read them.',
  })
}

/** The value of `X-Vault-Signature`. @param body the very text that is sent @param now Unix ms */
export function signRequest(body: string, key: Uint8Array, now: number): string {
  return `v=${now},d=${digestOf(body, key, String(now)).toString('hex')}`
}

/** A signature whose digest is right and whose time is now. */
export interface VerifiedSignature {
  /** In lower case: the same request again has the same. */
  readonly digest: string
  /** Unix ms after which it would be refused anyway. */
  readonly expiresAt: number
}

/**
 * @param body the raw text of the request
 * @param now Unix ms
 * @returns `undefined` for a signature that is missing, malformed, too old, too far ahead or wrong
 */
export function verifySignature(
  header: string | undefined,
  body: string,
  key: Uint8Array,
  now: number,
): VerifiedSignature | undefined {
  if (!header) return undefined
  const [, time, digest] = PLAIN_SIGNATURE.exec(header) ?? partsOf(header)
  if (!time || !/^-?\d+$/.test(time) || !digest || !/^[0-9a-f]{64}$/.test(digest)) return undefined
  const age = now - Number(time)
  if (!(age <= MAX_AGE && age >= -MAX_AHEAD)) return undefined
  if (!timingSafeEqual(Buffer.from(digest, 'hex'), digestOf(body, key, time))) return undefined
  return { digest, expiresAt: Number(time) + MAX_AGE }
}

/** @returns nothing, its time, its digest: as if it had matched `PLAIN_SIGNATURE` */
function partsOf(header: string): readonly (string | undefined)[] {
  const parts = new Map<string, string>()
  for (const part of header.split(',')) {
    const at = part.indexOf('=')
    if (at > 0) parts.set(part.slice(0, at).trim(), part.slice(at + 1).trim())
  }
  return ['', parts.get('v'), parts.get('d')?.toLowerCase()]
}

function digestOf(body: string, key: Uint8Array, time: string): Buffer {
  return createHmac('sha256', key).update(body).update(time).digest()
}
