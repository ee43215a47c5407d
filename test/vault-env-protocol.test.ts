import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  authKey,
  decryptBlob,
  deviceHash,
  encryptBlob,
  encryptionKey,
  makeVaultKey,
  parseVaultKey,
  signRequest,
  verifySignature,
} from '../src/core/crypto/vault-env.ts'

interface Keyed {
  vault_key: string
  device_secret: string | null
}
interface Vectors {
  derive: (Keyed & { salt: string; derived_hex: string })[]
  auth_key_hash: { vault_key: string; hex_sent_to_set_key: string }
  device_hash: { device_secret: string; sha256_hex: string }[]
  parse_vault_key: { input: string; result: { project_id: string; secret: string } | null }[]
  encrypt: (Keyed & { name: string; plaintext: string; packed_base64: string })[]
  decrypt_must_fail: (Keyed & { name: string; packed_base64: string })[]
  sign: (Keyed & { body: string; timestamp_ms: number; hmac_key_hex: string; header_value: string })[]
  verify: {
    auth_key_hash: string
    body: string
    now_ms: number
    cases: { header: string; valid: boolean; why: string }[]
  }
}
// Made by running the published client's own code; every key in it is test data.
const vectors = JSON.parse(
  readFileSync(new URL('vectors/vault-env.json', import.meta.url), 'utf8'),
) as Vectors
const keyOf = ({ vault_key: key, device_secret: device }: Keyed): Buffer =>
  encryptionKey(key, device ?? undefined)

describe('the vault-env protocol', () => {
  test('derives the keys that the published client derives', () => {
    const isCipher = ({ salt }: { salt: string }) => salt === 'vault-encrypt-v1'
    for (const vector of vectors.derive.filter(isCipher))
      expect(keyOf(vector).toString('hex')).toBe(vector.derived_hex)
    // Signatures are of the vault key alone; the client's own mixture with a device no server can check.
    for (const vector of vectors.derive.filter((one) => !isCipher(one) && !one.device_secret))
      expect(authKey(vector.vault_key).toString('hex')).toBe(vector.derived_hex)
    const { vault_key: key, hex_sent_to_set_key: hex } = vectors.auth_key_hash
    expect(authKey(key).toString('hex')).toBe(hex)
  })

  test('hashes devices', () => {
    for (const { device_secret: secret, sha256_hex: hex } of vectors.device_hash)
      expect(deviceHash(secret)).toBe(hex)
  })

  test.each(vectors.parse_vault_key)('takes $input apart', ({ input, result }) => {
    expect(parseVaultKey(input)?.projectId).toBe(result?.project_id)
    if (result) expect(`vk_${result.project_id}_${result.secret}`).toBe(parseVaultKey(input)?.text)
  })

  test.each(vectors.encrypt)('opens what the client sealed: $name', (vector) => {
    expect(decryptBlob(vector.packed_base64, keyOf(vector))).toBe(vector.plaintext)
    expect(decryptBlob(encryptBlob(vector.plaintext, keyOf(vector)), keyOf(vector))).toBe(vector.plaintext)
  })

  test.each(vectors.decrypt_must_fail)('refuses: $name', (vector) => {
    expect(() => decryptBlob(vector.packed_base64, keyOf(vector))).toThrow('cannot be decrypted')
  })

  test('signs as the client signs', () => {
    for (const vector of vectors.sign) {
      const key = Buffer.from(vector.hmac_key_hex, 'hex')
      expect(signRequest(vector.body, key, vector.timestamp_ms)).toBe(vector.header_value)
      if (!vector.device_secret)
        expect(signRequest(vector.body, authKey(vector.vault_key), vector.timestamp_ms)).toBe(
          vector.header_value,
        )
    }
  })

  test.each(vectors.verify.cases)('verifies: $why', ({ header, valid }) => {
    const { auth_key_hash: hash, body, now_ms: now } = vectors.verify
    expect(verifySignature(header, body, Buffer.from(hash, 'hex'), now) !== undefined).toBe(valid)
  })

  test('makes keys that parse', () => {
    expect(parseVaultKey(makeVaultKey('3f2b8c1e-9d47'))?.projectId).toBe('3f2b8c1e-9d47')
  })
})
